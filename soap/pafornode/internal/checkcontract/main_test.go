package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/soap/pafornode"
)

// ourFiles returns our contract with one text of it replaced.
func ourFiles(t *testing.T, old, replacement string) []file {
	t.Helper()
	var all []file
	found := old == ""
	for _, name := range []string{"paForNode.xsd", "common-types.xsd"} {
		b, ok := pafornode.XSD(name)
		if !ok {
			t.Fatal(name)
		}
		content := strings.ReplaceAll(string(b), "?xsd=", "")
		if old != "" && strings.Contains(content, old) {
			found = true
			content = strings.Replace(content, old, replacement, 1)
		}
		all = append(all, file{name, name, []byte(content)})
	}
	if !found {
		t.Fatalf("%q is not in the schema", old)
	}
	return all
}

func TestASmallDifferenceBetweenTheSchemasIsFound(t *testing.T) {
	dir := t.TempDir()
	own, err := compile(filepath.Join(dir, "own"), ourFiles(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	wrappers := []string{"paVerifyPaymentNoticeReq"}
	if err := compareSchemas(io.Discard, own, own, wrappers, 50, 1); err != nil {
		t.Errorf("a schema disagrees with itself: %v", err)
	}
	for name, change := range map[string][2]string{
		"a limit one higher": {`<xs:maxLength value="35"/>`, `<xs:maxLength value="36"/>`},
		"a pattern":          {`[0-9]{18}`, `\d{18}`},
		"an optional child": {
			`<xs:element name="noticeNumber" type="ct:stNoticeNumber"/>
    </xs:sequence>`,
			`<xs:element name="noticeNumber" type="ct:stNoticeNumber" minOccurs="0"/>
    </xs:sequence>`,
		},
	} {
		other, err := compile(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), ourFiles(t, change[0], change[1]))
		if err != nil {
			t.Fatal(err)
		}
		if err := compareSchemas(io.Discard, own, other, wrappers, 0, 1); err == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}

func TestADifferentServiceIsFound(t *testing.T) {
	wsdl := pafornode.WSDL("http://localhost/a")
	if err := compareServices(io.Discard, wsdl, pafornode.WSDL("https://elsewhere.example/b")); err != nil {
		t.Errorf("the address matters: %v", err)
	}
	for _, name := range []string{`soapAction="paSendRT"`, `name="paForNodePort"`, `element="pafn:paSendRTV2Request"`, `use="literal"`} {
		other := strings.Replace(string(wsdl), name, name[:len(name)-1]+`X"`, 1)
		if err := compareServices(io.Discard, wsdl, []byte(other)); err == nil {
			t.Errorf("another %s is not noticed", name)
		}
	}
}
