package positions

import (
	"context"
	"errors"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Store keeps what must survive: organizations, positions with all their
// versions, last known prices, answers and receipts. Implementations are safe
// for concurrent use by several processes on one database (SQLite: one
// process).
//
// Errors are [Error] values: NotFound, Conflict, Stale as each method says, and
// Unavailable when the database does not answer within the context or refuses
// to. Nothing is half-written when an error returns. Instants are kept to the
// microsecond in the columns and come back in UTC; those inside a position keep
// their nanoseconds and their zone's offset.
type Store interface {
	Leases
	Streams

	// PutOrganization registers or replaces an organization, secrets included:
	// Sealed is stored as it is given. It reports whether it was new. It fills
	// UpdatedAt, and CreatedAt, which a replacement does not change. o.Version is
	// the version that the caller read, [Unregistered], or 0 for whichever there
	// is: Stale when it is not what is stored. On success it is the new one;
	// versions of registrations only grow, across removals too.
	PutOrganization(ctx context.Context, o *Organization) (created bool, err error)
	// Organization returns one organization with its sealed secrets, or NotFound.
	Organization(ctx context.Context, fiscalCode string) (*Organization, error)
	// Organizations returns all of them by tax code, sealed secrets included,
	// and the revision they are of.
	Organizations(ctx context.Context) ([]Organization, int64, error)
	// OrganizationsRevision returns a number that grows with every registration,
	// replacement and removal, so that replicas notice a change cheaply.
	OrganizationsRevision(ctx context.Context) (int64, error)
	// DeleteOrganization unregisters an organization and revokes its keys, or
	// NotFound. Positions, answers and receipts stay.
	DeleteOrganization(ctx context.Context, fiscalCode string) error

	// CreateKey stores a key of a registered organization, else NotFound;
	// Conflict when the id is taken, or another key, of whichever organization,
	// has its PDND client. It fills CreatedAt when it is zero.
	CreateKey(ctx context.Context, k *Key) error
	// Keys lists the keys of an organization, oldest first.
	Keys(ctx context.Context, fiscalCode string) ([]Key, error)
	// Key returns the key with an id, or NotFound. It serves authentication.
	Key(ctx context.Context, id string) (*Key, error)
	// KeyOfPDNDClient returns the key that a PDND client is registered with, or
	// NotFound. It serves authentication.
	KeyOfPDNDClient(ctx context.Context, clientID string) (*Key, error)
	// DeleteKey revokes a key at once, or NotFound.
	DeleteKey(ctx context.Context, fiscalCode, id string) error
	// TouchKey records that a key was used, at most to the minute. A key that was
	// revoked in the meantime is no error.
	TouchKey(ctx context.Context, id string, at time.Time) error

	// CreatePosition stores a new position as its version 1. Conflict when the
	// organization has the iupd, or one of the notice numbers or IUVs, already;
	// the message names which and whose, the problems point at all of them. It
	// fills Version, InsertedAt and UpdatedAt from c.At, in options too where they
	// are zero. Where an iupd is used again after its position was deleted, the
	// version is the one after the last of the old history.
	CreatePosition(ctx context.Context, p *Position, c Change) error
	// Position returns a position with its options, or NotFound.
	Position(ctx context.Context, fiscalCode, iupd string) (*Position, error)
	// UpdatePosition replaces a position by its next version. p.Version is the
	// version that the caller read: Stale when it is no longer the current one,
	// NotFound when the position is gone, Conflict as in CreatePosition. On
	// success p.Version and p.UpdatedAt are the new ones, and UpdatedAt of the
	// options that changed; InsertedAt stays what it was.
	UpdatePosition(ctx context.Context, p *Position, c Change) error
	// CreatePositions, UpdatePositions and DeletePositions do the same for several
	// positions of one organization, all or none; the problems of a Conflict point
	// at "/INDEX/…" then. No two positions may want the same iupd, notice number
	// or IUV: Conflict. Positions that are updated together may hand numbers to each
	// other.
	CreatePositions(ctx context.Context, ps []*Position, c Change) error
	UpdatePositions(ctx context.Context, ps []*Position, c Change) error
	// DeletePositions removes positions and frees their iupds, notice numbers and
	// IUVs. The price of a notice number that is freed, here or by an update, is
	// forgotten; one that an update hands to another position keeps it. Version, Stale and NotFound are as in UpdatePosition. The history
	// stays, and ends with a version of its own that holds the position as given.
	DeletePositions(ctx context.Context, ps []*Position, c Change) error
	// ImportPositions stores those of many positions of one organization that can
	// be stored, each wholly or not at all, in one commit, and tells what became
	// of each, in their order. Of two that want the same iupd, notice number or IUV
	// the first gets it. What is owed by a position whose iupd is there already is
	// never changed: it is AlreadyThere when that is the same as in its current
	// version or in the one that an earlier change of the same Action made, and a
	// Conflict otherwise; states, validity date and payments are not compared. So
	// the same import can be made again, and goes on where the last one ended.
	// One thing can be made up for: a position that is there as a DRAFT and in its
	// current version is what a payable (VALID or PUBLISHED) one of the import
	// says, to the validity date that lies ahead, is Published, as
	// [Position.Publish] does it, in a version of its own with c's Action replaced
	// by PUBLISH. The positions that were created or published become what was
	// written, as in CreatePosition.
	// After an error nothing was stored, save when the connection broke during the
	// commit; making the import again is right in either case.
	ImportPositions(ctx context.Context, ps []*Position, c Change) ([]Imported, error)
	// Positions lists the positions of an organization and tells how many there
	// are.
	Positions(ctx context.Context, f PositionFilter) ([]Position, int, error)
	// PositionsPaidTo lists positions of an organization with an unpaid transfer to
	// an IBAN, whose status and life-cycle let it change (see [Position.ChangeIBAN]),
	// in a fixed order. next is where the list goes on; 0: it has ended.
	PositionsPaidTo(ctx context.Context, f AccountFilter) (ps []Position, next int64, err error)
	// Versions returns the versions of a position, newest first, without their
	// bodies; NotFound when the position never existed.
	Versions(ctx context.Context, fiscalCode, iupd string) ([]VersionInfo, error)
	// Version returns the position as it was in one version.
	Version(ctx context.Context, fiscalCode, iupd string, version int64) (*Position, VersionInfo, error)

	// Notice returns all that an answer needs, in one round trip, or NotFound. Here
	// and in Prices, a price comes with its PaidElsewhere and StaleSince.
	Notice(ctx context.Context, fiscalCode string, nav NoticeNumber) (*Notice, error)
	// SavePrice makes p the last known price of a notice, unless a newer one
	// (by FetchedAt) is there. The notice need not exist.
	SavePrice(ctx context.Context, fiscalCode string, nav NoticeNumber, p *Price) error
	// Prices returns the last known prices of some notices of an organization;
	// notices without one are absent from the map.
	Prices(ctx context.Context, fiscalCode string, navs []NoticeNumber) (map[NoticeNumber]*Price, error)
	// FeesPaid returns what was paid of the fee of one notification, in cents, with
	// notices of a recipient other than one: the [Price].PaidElsewhere of a price
	// that the store does not have yet. Only notices of the same organization count,
	// whose debtor is the recipient (ANONIMO is nobody); tax codes are compared
	// without regard to case. Of more than 128 paid notices of one notification, of
	// whichever recipients, some may not count.
	FeesPaid(ctx context.Context, fiscalCode, iun, recipient string, except NoticeNumber) (money.Cents, error)

	// RecordAnswers makes answers durable, all or none, in one commit that waits for
	// no reconciliation. The store gives each its ID. What those that were given
	// without SEND's price leave to reconcile is opened right after the commit if
	// nobody is in the way; that it was not is no error, and is made up for by
	// [Reconciliations.OpenReconciliations]. After Unavailable the outcome can be
	// unknown, when the connection broke or the context ended during the commit.
	RecordAnswers(ctx context.Context, answers []Answer) error
	// Answers returns what the Nodo was told about a notice, newest first, and how
	// many answers there are.
	Answers(ctx context.Context, fiscalCode string, nav NoticeNumber, page Page) ([]Answer, int, error)

	// SaveReceipt makes a receipt durable and lets its position follow, in one
	// transaction, by the rules of [Position.Settle]. An identical receipt
	// (organization and receiptId) that is there already changes nothing and is
	// reported as a duplicate. A notice unknown here is no error. A receipt whose
	// primary creditor is another organization (broadcast) is kept and flagged and
	// never settles a position. What the payment leaves to reconcile is opened with
	// it, see [AfterReceipt], and what has to leave by [Receipt.Deliveries] is stored
	// with it, due at once. On success r is what was stored: with its flags,
	// LastAnswered and ReceivedAt, which is filled when zero.
	//
	// When any of what follows from the receipt fails, and not because the store does
	// not answer, the receipt is stored all the same, by itself and with its delivery
	// to the debt system: it is flagged [FlagNotJudged] then, and r.Unjudged tells
	// why, which is for the caller to log.
	SaveReceipt(ctx context.Context, r *Receipt) (duplicate bool, err error)
	// Receipts lists receipts, newest first, without their messages, and how
	// many there are.
	Receipts(ctx context.Context, f ReceiptFilter) ([]Receipt, int, error)
	// Receipt returns one receipt with its message, or NotFound.
	Receipt(ctx context.Context, fiscalCode, receiptID string) (*Receipt, error)

	Reconciliations

	// BeginAttempt reserves the key of a request until a.Until, for one of all
	// replicas. It returns the answer that the same request got already; Conflict
	// when it is being carried out and its reservation has not lapsed by now;
	// Unprocessable when the key stands for another request. Nil and no error:
	// the key is reserved, and the caller carries the request out.
	BeginAttempt(ctx context.Context, a *Attempt, now time.Time) (*KeptAnswer, error)
	// FinishAttempt keeps the answer of a reserved request until a.Until. Stale
	// when the reservation lapsed and somebody else has the key.
	FinishAttempt(ctx context.Context, a *Attempt, answer *KeptAnswer) error
	// AbandonAttempt gives a reserved key back. A reservation that is no longer
	// there is no error.
	AbandonAttempt(ctx context.Context, a *Attempt) error
	// PruneAttempts forgets at most limit requests whose time was over by now,
	// with their answers, and tells how many.
	PruneAttempts(ctx context.Context, now time.Time, limit int) (int, error)

	Deliveries
	MissingReceipts
	Retention

	// Ping reports whether the database answers and its migrations are applied.
	Ping(ctx context.Context) error
	// Migrate applies the pending migrations. Replicas may start together.
	Migrate(ctx context.Context) error
	Close() error
}

// ErrTaken is the cause of a Conflict about an iupd, a notice number or an IUV
// that another position has, where others are about a state.
var ErrTaken = errors.New("an iupd, a notice number or an IUV is taken")

// Change tells who changed a position and why. It becomes part of the version.
type Change struct {
	Actor Actor `json:"actor"`
	// Action is what was done: CREATE, REPLACE, PUBLISH, INVALIDATE, PAY, …
	Action string    `json:"action"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// Deliveries are what has to leave because of the change, stored with it and
	// due at once. The store gives them their IDs, states and instants. An import
	// has none.
	Deliveries []Delivery `json:"-"`
}

// Actor is who did something: a key, the operator, the Nodo or the service.
type Actor struct {
	Kind string `json:"kind"`         // KEY, OPERATOR, NODO, SYSTEM
	ID   string `json:"id,omitempty"` // id of the key, or station code
}

// VersionInfo describes one version of a position.
type VersionInfo struct {
	Version int64     `json:"version"`
	Status  Status    `json:"status"`
	Life    Lifecycle `json:"lifecycle"`
	Change
}

// Page asks for a part of a list: page Number (from 0) of Limit rows.
type Page struct{ Number, Limit int }

// Offset returns how many rows come before the page.
func (p Page) Offset() int { return p.Number * p.Limit }

// PositionFilter narrows a list of positions of one organization. Zero fields do
// not filter.
type PositionFilter struct {
	OrganizationFiscalCode string    // always filters
	IUPDs                  []string  // only these
	DueFrom, DueTo         time.Time // at least one option falls due then, both included
	PaymentFrom, PaymentTo time.Time // by payment date, both included
	Status                 Status    // as it reads at Now, see [Position.StatusAt]
	Now                    time.Time // the clock of Status; zero: the machine's
	SegregationCodes       []string  // such an option has a notice number of aux digit 3 with one of them
	OrderBy                PositionOrder
	Ascending              bool
	Page                   Page
}

// AccountFilter narrows a list of positions by the account of their transfers.
type AccountFilter struct {
	OrganizationFiscalCode string
	IBAN                   string    // as it is written in the transfer
	SegregationCodes       []string  // every notice number is of aux digit 3 with one of them
	Now                    time.Time // the clock of their status; zero: the machine's
	After                  int64     // what an earlier list returned as next; 0: from the start
	Limit                  int       // positions
}

// PositionOrder is what a list of positions is sorted by; names are GPD's.
type PositionOrder string

// The orders. Positions that are equal in one come in the order of insertion.
// Status sorts by the status last written.
const (
	ByInsertion   PositionOrder = "INSERTED_DATE" // also the zero value
	ByIUPD        PositionOrder = "IUPD"
	ByStatus      PositionOrder = "STATUS"
	ByCompanyName PositionOrder = "COMPANY_NAME"
)

// ReceiptFilter narrows a list of receipts. Zero fields do not filter.
type ReceiptFilter struct {
	OrganizationFiscalCode string
	NAV                    NoticeNumber
	From, To               time.Time // by instant of arrival, To excluded
	Flagged                bool      // only those that carry a flag
	SegregationCodes       []string  // only notice numbers of aux digit 3 with one of them
	Page                   Page
}
