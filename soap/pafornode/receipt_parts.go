package pafornode

// How much of a receipt is kept. The schema allows 5 transfers and 15 pairs of
// metadata; more is a flaw of the sender and no reason to lose the payment.
const (
	maxReceiptTransfers = 20
	maxReceiptMetadata  = 20
	maxReceiptIDLength  = 255
	maxFlags            = 32
)

// receiptID is xs:string in the schema and a payment token of 35 characters in
// practice. It identifies the payment for ever, so it is neither empty nor
// longer than a key can be.
var receiptID = &simple{check: func(s string) string { return length(s, 1, maxReceiptIDLength) }}

// need tells what the lack of a part means.
type need uint8

const (
	optional need = iota
	required      // the schema wants it: flagged when missing
	vital         // the payment cannot be told without it
	repeated      // the schema wants at least one, and up to part.most
)

// A part is a child of an element of a receipt.
type part struct {
	name   string
	need   need
	most   int  // of a repeated part
	onlyV2 bool // the schema of version 1 does not have it
}

var (
	receiptRequestParts = []part{
		{name: "idPA", need: vital},
		{name: "idBrokerPA", need: vital},
		{name: "idStation", need: vital},
		{name: "receipt", need: vital},
		{name: "standIn"}, // up to SANP 3.8 it stood here
	}
	receiptParts = []part{
		{name: "receiptId", need: vital},
		{name: "noticeNumber", need: vital},
		{name: "fiscalCode", need: vital},
		{name: "outcome", need: required},
		{name: "creditorReferenceId", need: required},
		{name: "paymentAmount", need: vital},
		{name: "description", need: required},
		{name: "companyName", need: required},
		{name: "officeName"},
		{name: "debtor", need: required},
		{name: "transferList", need: required},
		{name: "idPSP", need: required},
		{name: "pspFiscalCode"},
		{name: "pspPartitaIVA"},
		{name: "PSPCompanyName", need: required},
		{name: "idChannel", need: required},
		{name: "channelDescription", need: required},
		{name: "payer"},
		{name: "paymentMethod"},
		{name: "paymentNote", onlyV2: true},
		{name: "fee"},
		{name: "primaryCiIncurredFee", onlyV2: true},
		{name: "idBundle", onlyV2: true},
		{name: "idCiBundle", onlyV2: true},
		{name: "paymentDateTime"},
		{name: "applicationDate"},
		{name: "transferDate"},
		{name: "metadata"},
		{name: "standIn"},
	}
	transferListParts = []part{{name: "transfer", need: repeated, most: 5}}
	transferParts     = []part{
		{name: "idTransfer", need: required},
		{name: "transferAmount", need: required},
		{name: "fiscalCodePA", need: required},
		{name: "companyName", onlyV2: true},
		{name: "IBAN"},
		{name: "MBDAttachment", onlyV2: true},
		{name: "remittanceInformation", need: required},
		{name: "transferCategory", need: required},
		{name: "metadata"},
	}
	subjectParts = []part{
		{name: "uniqueIdentifier", need: required},
		{name: "fullName", need: required},
		{name: "streetName"},
		{name: "civicNumber"},
		{name: "postalCode"},
		{name: "city"},
		{name: "stateProvinceRegion"},
		{name: "country"},
		{name: "e-mail"},
	}
	identifierParts = []part{
		{name: "entityUniqueIdentifierType", need: required}, {name: "entityUniqueIdentifierValue", need: required},
	}
	metadataParts = []part{{name: "mapEntry", need: repeated, most: 15}}
	mapEntryParts = []part{{name: "key", need: required}, {name: "value", need: required}}
)

// children walks over the children of the element of a receipt that just
// opened.
type children struct {
	parts []part
	name  string // of the child that just opened
	count int    // of the children so far, when they are a list
	seen  uint32 // parts that were met
	last  int    // the furthest of them
}

// met tells whether the named part was there.
func (c *children) met(name string) bool {
	for i := range c.parts {
		if c.parts[i].name == name {
			return c.seen&(1<<i) != 0
		}
	}
	return false
}

// child goes to the next child that is worth reading, which the caller must
// then read to its end, and returns false at the end of the parent. Whatever
// else it meets it flags and passes over.
func (d *receiptDecoder) child(c *children) bool {
	for !d.failed() {
		switch d.at = d.next(); d.at {
		case tokenText:
			if !isBlank(d.scanner.text) {
				d.flag("", "has text where only elements may stand")
			}
		case tokenStart:
			if d.take(c) {
				return true
			}
			if !d.failed() {
				d.skip()
			}
		case tokenEnd:
			d.settle(c)
			return false
		default:
			return false
		}
	}
	return false
}

// take judges the child that just opened by its name and place.
func (d *receiptDecoder) take(c *children) bool {
	e := d.top()
	c.name = e.name.local
	if c.name == "standin" { // the spelling of every example in the SANP
		c.name = "standIn"
	}
	i := 0
	for i < len(c.parts) && (c.parts[i].name != c.name || e.name.space != "") {
		i++
	}
	if i == len(c.parts) {
		d.flag("", "is not known to the schema")
		return false
	}
	p := &c.parts[i]
	met := c.seen&(1<<i) != 0
	switch {
	case p.need == repeated:
		c.count++
		e.position = c.count
		if c.count == p.most+1 {
			d.flag("", "stands more than "+decimal(p.most)+" times")
		}
	case met && p.need == vital:
		d.fail("", "is repeated")
		return false
	case met:
		d.flag("", "is repeated, the first is kept")
		return false
	case p.onlyV2 && d.v1:
		d.flag("", "does not belong to version 1")
	case i < c.last:
		d.flag("", "is out of order")
	}
	if problem := d.attributeProblem(); problem != "" {
		d.flag("", problem)
	}
	c.seen |= 1 << i
	c.last = max(c.last, i)
	return true
}

// settle looks for what is missing at the end of the parent.
func (d *receiptDecoder) settle(c *children) {
	for i := range c.parts {
		if c.seen&(1<<i) != 0 {
			continue
		}
		switch p := &c.parts[i]; p.need {
		case vital:
			d.fail(p.name, "is missing")
		case required, repeated:
			d.flag(p.name, "is missing")
		}
	}
}

// flag notes a difference from the schema at the named child of the open
// element, or at the open element itself.
func (d *receiptDecoder) flag(child, problem string) {
	switch n := len(d.receipt.Flags); {
	case n < maxFlags-1:
		d.receipt.Flags = append(d.receipt.Flags, d.pathTo(child)+": "+problem)
	case n == maxFlags-1:
		d.receipt.Flags = append(d.receipt.Flags, "there are more differences")
	}
}
