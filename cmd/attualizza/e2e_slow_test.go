package main

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// Who sends a request a byte at a time to keep a connection busy (slowloris) is cut
// off, and meanwhile the others are answered as always.
func TestWhoSendsSlowlyIsCutOffAndKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "slow.db"), "")
	e := h.ente(t)
	d := e.publish(t, digital)
	head := "POST " + soap.Path + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
	var slow sync.WaitGroup
	for _, x := range []struct {
		what   string
		begins string
		within time.Duration
	}{
		{"nothing at all", "", 4 * time.Second},
		{"headers without end", head, 4 * time.Second},
		{"a body that never comes", head + "Content-Length: 1000\r\n\r\n<soapenv:Envelope", 8 * time.Second},
		{"a chunked body without end", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n", 8 * time.Second},
	} {
		for range 50 {
			slow.Go(func() {
				began := time.Now()
				connection, err := net.Dial("tcp", h.address("nodo"))
				if err != nil {
					t.Error(err)
					return
				}
				defer connection.Close()
				if _, err := io.WriteString(connection, x.begins); err != nil {
					t.Errorf("%s: %v", x.what, err)
				}
				cut := make(chan struct{})
				go func() { // a byte now and then, as long as they are taken
					for {
						select {
						case <-cut:
							return
						case <-time.After(400 * time.Millisecond):
							_, _ = io.WriteString(connection, "a")
						}
					}
				}()
				_ = connection.SetReadDeadline(began.Add(2 * x.within))
				answer, err := io.ReadAll(connection)
				close(cut)
				var late net.Error
				if took := time.Since(began); took > x.within || errors.As(err, &late) && late.Timeout() {
					t.Errorf("%s: still connected after %s, %q", x.what, took.Round(time.Millisecond), answer)
				}
				if strings.Contains(string(answer), " 200 ") {
					t.Errorf("%s: answered %q", x.what, answer)
				}
			})
		}
	}
	for range 20 {
		reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wants(t, reply, d.amount+200)
		if reply.Took > time.Second {
			t.Errorf("somebody else waited %s", reply.Took)
		}
		time.Sleep(200 * time.Millisecond)
	}
	slow.Wait()
}

// What is too large is refused before it is read whole.
func TestWhatIsTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "large.db"), "")
	for door, limit := range map[string]int{"nodo": 64 << 10, "api": 64 << 10} {
		connection, err := net.Dial("tcp", h.address(door))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("a", limit)+"\r\n\r\n")
		answer := make([]byte, 64)
		n, _ := connection.Read(answer)
		if !strings.Contains(string(answer[:n]), " 431 ") {
			t.Errorf("%s: headers of %d bytes hear %q", door, limit, answer[:n])
		}
	}
}
