package rest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestHeadIsGetWithoutABody(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.create(t)
	for path, key := range map[string]string{
		"/status": "", "/openapi.yaml": "", base + "/debtpositions": "reader", base + "/debtpositions/P-1": "reader",
		base + "/debtpositions/none": "reader", base + "/receipts": "", base: "admin", base + "/api-keys": "writer",
	} {
		get := h.do(t, call{method: "GET", path: path, key: key})
		r, err := http.NewRequestWithContext(t.Context(), "HEAD", h.url+path, nil)
		must(t, err)
		if key != "" {
			r.Header.Set("X-Api-Key", h.keys[key])
		}
		head, err := http.DefaultClient.Do(r)
		must(t, err)
		body, err := io.ReadAll(head.Body)
		must(t, err)
		_ = head.Body.Close()
		if head.StatusCode != get.status || len(body) != 0 {
			t.Errorf("HEAD %s: %d with %d bytes, GET: %d", path, head.StatusCode, len(body), get.status)
		}
		for _, name := range []string{"Content-Type", "ETag", "Cache-Control"} {
			if head.Header.Get(name) != get.header.Get(name) {
				t.Errorf("HEAD %s: %s %q, GET: %q", path, name, head.Header.Get(name), get.header.Get(name))
			}
		}
	}
	if allow := h.want(t, 405, call{method: "PATCH", path: base + "/debtpositions/P-1", key: "writer"}).header.Get("Allow"); !strings.Contains(allow, "GET, HEAD") {
		t.Errorf("Allow: %s", allow)
	}
}
