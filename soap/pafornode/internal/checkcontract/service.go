package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
)

// definitions is as much of a WSDL as decides how a service is called.
type definitions struct {
	Namespace string `xml:"targetNamespace,attr"`
	Messages  []struct {
		Name string `xml:"name,attr"`
		Part struct {
			Name    string `xml:"name,attr"`
			Element string `xml:"element,attr"`
		} `xml:"part"`
	} `xml:"message"`
	PortType struct {
		Name       string `xml:"name,attr"`
		Operations []struct {
			Name  string `xml:"name,attr"`
			Input struct {
				Message string `xml:"message,attr"`
			} `xml:"input"`
			Output struct {
				Message string `xml:"message,attr"`
			} `xml:"output"`
		} `xml:"operation"`
	} `xml:"portType"`
	Binding struct {
		Name    string `xml:"name,attr"`
		Type    string `xml:"type,attr"`
		Binding struct {
			Style     string `xml:"style,attr"`
			Transport string `xml:"transport,attr"`
		} `xml:"http://schemas.xmlsoap.org/wsdl/soap/ binding"`
		Operations []struct {
			Name string `xml:"name,attr"`
			SOAP struct {
				Action string `xml:"soapAction,attr"`
			} `xml:"http://schemas.xmlsoap.org/wsdl/soap/ operation"`
			Input  use `xml:"input>body"`
			Output use `xml:"output>body"`
		} `xml:"operation"`
	} `xml:"binding"`
	Service struct {
		Name string `xml:"name,attr"`
		Port struct {
			Name    string `xml:"name,attr"`
			Binding string `xml:"binding,attr"`
		} `xml:"port"`
	} `xml:"service"`
}

type use struct {
	Use string `xml:"use,attr"`
}

// compareServices fails unless both WSDLs have the same operations, actions,
// messages and names. Order and address do not matter.
func compareServices(out io.Writer, ours, theirs []byte) error {
	var d [2]definitions
	for i, b := range [][]byte{ours, theirs} {
		if err := xml.Unmarshal(b, &d[i]); err != nil {
			return err
		}
		sort.Slice(d[i].Messages, func(a, b int) bool { return d[i].Messages[a].Name < d[i].Messages[b].Name })
		sort.Slice(d[i].PortType.Operations, func(a, b int) bool {
			return d[i].PortType.Operations[a].Name < d[i].PortType.Operations[b].Name
		})
		sort.Slice(d[i].Binding.Operations, func(a, b int) bool {
			return d[i].Binding.Operations[a].Name < d[i].Binding.Operations[b].Name
		})
	}
	if !reflect.DeepEqual(d[0], d[1]) {
		return errors.New("the WSDLs offer different services")
	}
	fmt.Fprintf(out, "\nthe WSDLs offer the same service: %d operations, %d messages\n", len(d[0].Binding.Operations), len(d[0].Messages))
	return nil
}
