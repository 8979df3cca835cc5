package rest

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// gpdOperations are the operations that GPD has too, by method and path under
// the organization, whichever the version. Their refusals carry GPD's words.
var gpdOperations = map[string]string{
	"GET /debtpositions":                       "list",
	"POST /debtpositions":                      "create",
	"PUT /debtpositions":                       "replace",
	"DELETE /debtpositions":                    "delete",
	"PATCH /debtpositions/transfers":           "transfers",
	"GET /debtpositions/:iupd":                 "read",
	"PUT /debtpositions/:iupd":                 "replace",
	"DELETE /debtpositions/:iupd":              "delete",
	"POST /debtpositions/:iupd/publish":        "publish",
	"POST /debtpositions/:iupd/invalidate":     "invalidate",
	"GET /paymentoptions/:nav":                 "option",
	"POST /paymentoptions/:nav/pay":            "pay",
	"POST /paymentoptions/paids/:nav":          "pay",
	"PUT /paymentoptions/:nav/notificationfee": "notificationfee",
}

// gpdOperation is the name of the operation of a request among GPD's; "" when it
// is not GPD's.
func gpdOperation(c echo.Context) string {
	_, path, _ := strings.Cut(c.Path(), "/organizations/:organizationFiscalCode")
	return gpdOperations[c.Request().Method+" "+path]
}

// onPositions are the operations on whole positions, onOptions those on options.
const (
	onPositions = "list create replace delete transfers read publish invalidate"
	onOptions   = "option pay notificationfee"
)

const (
	uniqueTitle  = "The debt position violated constraints of uniqueness"
	uniqueDetail = "Already exists a debt position for the Organization Fiscal Code {organization} or one of its payment options is not unique"
)

// gpdWords is how GPD words its refusals, of which the first that fits counts.
// Titles and details are those of pagopa/pagopa-debt-position (exception/AppError
// and exception/ErrorHandler), whose clients may compare them; what a request
// names stands in braces. Without a detail ours stays.
var gpdWords = []struct {
	operations string
	code       positions.Code
	cause      error // nil: any
	title      string
	detail     string
}{
	{onPositions + " " + onOptions, positions.Invalid, nil, "BAD REQUEST", ""},
	{onPositions + " " + onOptions, positions.Internal, nil, "INTERNAL SERVER ERROR", ""},
	{onPositions + " " + onOptions, positions.NotFound, errForeign, "Not found the organization", "Not found an organization for the Organization Fiscal Code {organization}"},

	{onPositions, forbidden, nil, "The payment position is forbidden", "The caller does not have proper authorization to access or modify the IUVs in the payment position. [Organization Fiscal Code={organization}, IUPD={iupd}]"},
	{onPositions, positions.NotFound, nil, "Not found the debt position", "Not found a debt position for Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"create replace", positions.Conflict, positions.ErrReservedMetadata, "The payment option contains reserved metadata", "The caller should not add or modify reserved payment option metadata. Reserved metadata list = {NOTIFICATION_FEE}."},
	{"create", positions.Conflict, nil, uniqueTitle, uniqueDetail},
	{"replace", positions.Conflict, positions.ErrTaken, uniqueTitle, uniqueDetail},
	{"replace", positions.Conflict, nil, "Existing related payment found or not in updatable state", "A payment transaction has already been carried out or, the debt position with Organization Fiscal Code {organization} and IUPD {iupd}, is not in updatable state"},
	{"replace", positions.Unprocessable, positions.ErrNoFeeTransfer, "The debt position update is failed", "No valid transfer found to apply the registered notification fee on the debt position with Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"delete", positions.Conflict, nil, "Existing related payment found", "A payment transaction has already been carried out on the debt position with Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"publish", positions.Conflict, positions.ErrValidityPast, "Publish request occurred after the validity date began", "A publish request has been made after the validity date began for the debt position with Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"publish", positions.Conflict, positions.ErrDuePast, "Publish request occurred after the due date of a payment options has expired", "A publish request occurred after the due date of a payment options has expired for the debt position with Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"publish", positions.Conflict, positions.ErrDueBeforeValid, "The due date of a payment option is before the validity date", "Invalid publish request: the payment option due date cannot be before the validity date for the debt position with Organization Fiscal Code {organization} and IUPD {iupd}"},
	{"publish", positions.Conflict, nil, "Existing related payment found or not in publishable state", "A payment transaction has already been carried out or, the debt position with Organization Fiscal Code {organization} and IUPD {iupd}, is not in publishable state"},
	{"invalidate", positions.Conflict, nil, "Existing related payment found or not in invalidable state", "A payment transaction has already been carried out or, the debt position with Organization Fiscal Code {organization} and IUPD {iupd}, is not in invalidable state"},

	{onOptions, positions.NotFound, nil, "Not found the payment option", "Not found a payment option for Organization Fiscal Code {organization} and NAV {nav}"},
	{"pay", positions.Conflict, nil, "Existing related payment found", "A payment transaction has already been carried out for the Organization Fiscal Code {organization} and NAV {nav}"},
	{"pay", positions.Unprocessable, nil, "Not in payable state", "The payment option with Organization Fiscal Code {organization} and NAV {nav} is not in payable state"},
	{"notificationfee", positions.Unprocessable, positions.ErrNoFeeTransfer, "No valid transfer found for notification fee update", "No transfer found for payment option with IUV {iuv} related to Organization Fiscal Code {organization}"},
	{"notificationfee", positions.Unprocessable, nil, "Not in unpaid state for notification fee update", "The payment option with Organization Fiscal Code {organization} and NAV {nav} is not in unpaid state and the notification fee cannot be updated."},
}

// errOurs is the cause of a refusal that has one of GPD's codes and a reason that
// GPD does not know: its words would tell something else.
var errOurs = errors.New("not a refusal of GPD's")

// errForeign is the cause of a refusal of another organization's path.
var errForeign = errors.New("another organization")

// inGPDsWords gives a refusal of an operation of GPD's the title and the detail
// that GPD gives it. What our detail said beyond that becomes one of the errors.
func inGPDsWords(c echo.Context, refusal *positions.Error, p *Problem) {
	operation := gpdOperation(c)
	admitted, _ := c.Get(admission).(bool)
	if operation == "" || errors.Is(refusal, errOurs) || !admitted && !errors.Is(refusal, errForeign) {
		return // not GPD's, or refused at the door, which GPD leaves to a gateway
	}
	for _, w := range gpdWords {
		if refusal.Code != w.code || !strings.Contains(" "+w.operations+" ", " "+operation+" ") || w.cause != nil && !errors.Is(refusal, w.cause) {
			continue
		}
		p.Title = w.title
		if refusal.Code == positions.Invalid {
			p.Detail = gpdDetail(refusal)
		} else if detail, ok := fillIn(w.detail, c); ok {
			if refusal.Code != positions.NotFound && len(refusal.Problems) == 0 {
				p.Errors = &[]ProblemError{{Detail: refusal.Message}}
			}
			p.Detail = detail
		}
		return
	}
}

// fillIn puts what the path names into a detail. It is not ok when the path does
// not name it, as of many positions at once.
func fillIn(detail string, c echo.Context) (string, bool) {
	nav, iuv := pathValue(c, "nav"), ""
	if number, err := positions.ParseNoticeNumber(nav); err == nil {
		iuv = number.IUV()
	}
	filled := strings.NewReplacer(
		"{organization}", pathValue(c, "organizationFiscalCode"), "{iupd}", pathValue(c, "iupd"),
		"{nav}", nav, "{iuv}", iuv,
	).Replace(detail)
	return filled, detail != "" && (!strings.Contains(detail, "{iupd}") || pathValue(c, "iupd") != "")
}

// pathValue is a parameter of the path as the operation reads it: echo leaves it
// escaped only where escaping it anew would write it otherwise.
func pathValue(c echo.Context, name string) string {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// maxTold bounds how many problems the detail repeats; all are in the errors.
const maxTold = 10

// gpdDetail is what is wrong with a request as GPD writes it, one text with the
// fields by name: clients of GPD know no errors.
func gpdDetail(refusal *positions.Error) string {
	if len(refusal.Problems) == 0 {
		return refusal.Message
	}
	var told []string
	for i, p := range refusal.Problems {
		if i == maxTold {
			told = append(told, strconv.Itoa(len(refusal.Problems)-i)+" more")
			break
		}
		told = append(told, fieldName(p.Pointer)+": "+p.Detail)
	}
	return strings.Join(told, ", ")
}

// fieldName writes a JSON pointer as Java writes a property: a[0].b for /a/0/b.
func fieldName(pointer string) string {
	var name strings.Builder
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch _, err := strconv.Atoi(step); {
		case err == nil:
			name.WriteString("[" + step + "]")
		case name.Len() > 0:
			name.WriteString("." + step)
		default:
			name.WriteString(step)
		}
	}
	return name.String()
}
