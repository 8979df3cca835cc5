package rest

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"
)

// draft is an answer that is held back until somebody has looked at it. Its
// headers are those of the answer itself.
type draft struct {
	http.ResponseWriter
	response *echo.Response
	status   int // 0: nothing was answered yet
	body     bytes.Buffer
}

// draftOf makes everything that is answered from now on a draft, until [draft.end].
func draftOf(c echo.Context) *draft {
	d := &draft{ResponseWriter: c.Response().Writer, response: c.Response()}
	c.Response().Writer = d
	return d
}

// WriteHeader implements [http.ResponseWriter].
func (d *draft) WriteHeader(status int) { d.status = status }

// Write implements [http.ResponseWriter].
func (d *draft) Write(b []byte) (int, error) { return d.body.Write(b) }

// Unwrap lets [http.ResponseController] through.
func (d *draft) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// end lets answers pass again.
func (d *draft) end() { d.response.Writer = d.ResponseWriter }

// send sends the draft, if anything was answered.
func (d *draft) send() error {
	if d.status == 0 {
		return nil
	}
	d.response.Status = d.status // what the log line tells
	d.ResponseWriter.WriteHeader(d.status)
	_, err := d.ResponseWriter.Write(d.body.Bytes())
	return err
}
