package pafornode

import (
	"bytes"
	"embed"
	"strings"
)

//go:embed contract/paForNode.wsdl contract/paForNode.xsd contract/common-types.xsd
var contract embed.FS

const storedAddress = `location="http://localhost:8080/soap/paForNode"`

// WSDL returns the contract with address as the address of the service. Its
// schemas are to be had at the same address with the query ?xsd=NAME, see
// [XSD].
func WSDL(address string) []byte {
	var quoted writer
	quoted.escaped(address, noLimit)
	escaped := strings.ReplaceAll(string(quoted), `"`, "&quot;")
	return bytes.Replace(servedSchemaLocations(stored("paForNode.wsdl")),
		[]byte(storedAddress), []byte(`location="`+escaped+`"`), 1)
}

// XSD returns a schema of the contract by its name, "paForNode.xsd" or
// "common-types.xsd", and false for any other name.
func XSD(name string) ([]byte, bool) {
	switch name {
	case "paForNode.xsd", "common-types.xsd":
		return servedSchemaLocations(stored(name)), true
	}
	return nil, false
}

func stored(name string) []byte {
	b, err := contract.ReadFile("contract/" + name)
	if err != nil {
		panic("pafornode: " + err.Error()) // the file is embedded: it cannot be missing
	}
	return b
}

// servedSchemaLocations makes imports of files beside a document imports of
// what its own address serves.
func servedSchemaLocations(document []byte) []byte {
	return bytes.ReplaceAll(document, []byte(`schemaLocation="`), []byte(`schemaLocation="?xsd=`))
}
