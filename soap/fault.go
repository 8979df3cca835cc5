package soap

import (
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// The fault codes that a creditor may answer, beside those that follow from a
// notice's own state ([positions.Refusal]). Source: SANP, "Gestione degli
// errori", faults of the EC towards the Nodo.
const (
	faultSyntaxSchema  = "PAA_SINTASSI_XSD"
	faultSyntax        = "PAA_SINTASSI_EXTRAXSD"
	faultOrganization  = "PAA_ID_DOMINIO_ERRATO"
	faultBroker        = "PAA_ID_INTERMEDIARIO_ERRATO"
	faultStation       = "PAA_STAZIONE_INT_ERRATA"
	faultSemantics     = actualize.FaultSemantics
	faultSystem        = actualize.FaultSystem
	faultReceiptKnown  = "PAA_RECEIPT_DUPLICATA"
	noticeFaultsPrefix = "Pagamento in attesa risulta "
	noticeFaultsSuffix = " all'Ente Creditore."
)

// faultStrings are the fixed sentences that the Nodo's own test suite and the
// other creditors use.
var faultStrings = map[string]string{
	faultSyntaxSchema:                   "Errore di sintassi XSD.",
	faultSyntax:                         "Errore di sintassi extra XSD.",
	faultOrganization:                   "La PAA non corrisponde al Dominio indicato.",
	faultBroker:                         "Identificativo intermediario non corrispondente.",
	faultStation:                        "Stazione intermediario non corrispondente.",
	faultSemantics:                      "Errore semantico.",
	faultSystem:                         "Errore generico.",
	faultReceiptKnown:                   "La CtReceipt è già stata accettata.",
	string(positions.RefusedUnknown):    noticeFaultsPrefix + "sconosciuto" + noticeFaultsSuffix,
	string(positions.RefusedDuplicate):  noticeFaultsPrefix + "concluso" + noticeFaultsSuffix,
	string(positions.RefusedInProgress): noticeFaultsPrefix + "in corso" + noticeFaultsSuffix,
	string(positions.RefusedExpired):    noticeFaultsPrefix + "scaduto" + noticeFaultsSuffix,
	string(positions.RefusedCancelled):  noticeFaultsPrefix + "annullato" + noticeFaultsSuffix,
}

// refusalDescriptions tell an operator what a refusal means here.
var refusalDescriptions = map[positions.Refusal]string{
	positions.RefusedUnknown:    "L'avviso non risulta tra le posizioni pubblicate e valide.",
	positions.RefusedDuplicate:  "La posizione risulta già pagata.",
	positions.RefusedInProgress: "La posizione è bloccata dall'ente creditore.",
	positions.RefusedExpired:    "Il termine di pagamento dell'avviso è trascorso.",
	positions.RefusedCancelled:  "La posizione è stata annullata, chiusa o trasferita.",
}

// syntaxFault is the code for a message that breaks the schema: the table of
// the EC's faults gives the demand one of its own.
func syntaxFault(op pafornode.Operation) string {
	if op == pafornode.DemandPaymentNotice {
		return faultSyntaxSchema
	}
	return faultSyntax
}
