package testservers

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// StartPrometheus starts a Prometheus for one test and removes it, and what it
// recorded, when the test ends. It listens on a port of loopback, on any that is
// free if port is 0. The files lie in one folder; prometheus.yaml is its
// configuration.
func StartPrometheus(tb testing.TB, port int, files map[string]string) *PrometheusServer {
	tb.Helper()
	s, err := runPrometheus(port, files)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { report(tb, s.proc.close()) })
	return s
}

// PrometheusServer is a Prometheus.
type PrometheusServer struct {
	proc *process
	port int
}

// URL is the address of its web interface and of its API.
func (s *PrometheusServer) URL() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

func runPrometheus(port int, files map[string]string) (*PrometheusServer, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, fmt.Errorf("prometheus is not on this machine; run: %w", ErrNotInstalled)
	}
	proc, err := newProcess("prometheus", syscall.SIGTERM, "TERM", nil)
	if err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(proc.dir, name), []byte(text), 0o600); err != nil {
			return nil, errors.Join(err, proc.close())
		}
	}
	s := &PrometheusServer{proc: proc, port: port}
	for range 3 { // somebody else may take the port first
		if port == 0 {
			if s.port, err = freePort(); err != nil {
				break
			}
		}
		if err = s.start(binary); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, proc.close())
}

func (s *PrometheusServer) start(binary string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	answers := func() error {
		response, err := client.Get(s.URL() + "/-/ready")
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}
	return s.proc.start(answers, binary, "--config.file="+filepath.Join(s.proc.dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(s.proc.dir, "data"), "--web.listen-address=127.0.0.1:"+strconv.Itoa(s.port),
		"--enable-feature=exemplar-storage", "--log.level=warn")
}
