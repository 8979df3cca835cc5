package soap

import (
	"net/http"

	"github.com/attualizza/attualizza/soap/pafornode"
)

// serveContract serves ?wsdl and ?xsd=NAME with the address it was asked at.
func serveContract(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var document []byte
	switch {
	case query.Has("wsdl"):
		scheme := "http"
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
		document = pafornode.WSDL(scheme + "://" + r.Host + r.URL.Path)
	case query.Has("xsd"):
		var ok bool
		if document, ok = pafornode.XSD(query.Get("xsd")); !ok {
			http.NotFound(w, r)
			return
		}
	default:
		http.Error(w, "paForNode is asked by POST; ?wsdl shows the contract", http.StatusNotFound)
		return
	}
	w.Header()["Content-Type"] = contentType
	_, _ = w.Write(document)
}
