package testservers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 30 * time.Second // longest a server may take to answer its first request
	stopLimit  = 10 * time.Second // longest a polite stop may take before the server is killed
	pollEvery  = 5 * time.Millisecond
)

// undertaker is a shell that outlives the test process by a moment. It reads
// the server's process number from its standard input each time the server is
// started (0: stopped), and when the input ends, which the kernel guarantees
// however we die, it ends the server and removes its directory.
//
// A parent-death signal would not do: the kernel sends it when the *thread*
// that started the child ends, which Go is free to do at any time; it would
// leave the directory, PostgreSQL's frozen backends and its shared memory.
// (A process that has ended has an empty command line, even if nobody reaps it.)
const undertaker = `
pid=0
while read -r line; do pid=$line; done
if [ "$pid" -gt 0 ]; then
	all="$pid $(cat /proc/$pid/task/$pid/children 2>/dev/null)"
	kill -CONT $all; kill -s "$1" "$pid"
	n=0
	while grep -q . "/proc/$pid/cmdline" && [ $n -lt 30 ]; do sleep 0.1; n=$((n+1)); done
	kill -KILL $all
fi 2>/dev/null
rm -rf "$2"
`

// process is one server process, its children and its directory. Its methods
// may be called by several goroutines.
type process struct {
	dir      string              // holds everything the server writes
	stopWith syscall.Signal      // asks for an orderly stop
	hurry    string              // signal name for the undertaker: the quickest orderly stop
	as       *syscall.Credential // user that runs the server; nil: ours

	mu       sync.Mutex
	cmd      *exec.Cmd // nil while stopped
	grave    *exec.Cmd // the undertaker
	announce io.WriteCloser
	closed   bool
}

// newProcess makes the directory and engages the undertaker; nothing runs yet.
func newProcess(name string, stopWith syscall.Signal, hurry string, as *syscall.Credential) (*process, error) {
	base := os.TempDir()
	if as != nil || len(base) > 60 {
		// Another user could not enter a private TMPDIR of root, and the path
		// of a Unix socket ends at 107 bytes (unix(7)).
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "attualizza-"+name+"-")
	if err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	grave := exec.Command("/bin/sh", "-c", undertaker, "sh", hurry, dir)
	grave.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the tests
	grave.Dir = "/"
	announce, err := grave.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := grave.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &process{dir: dir, stopWith: stopWith, hurry: hurry, as: as, grave: grave, announce: announce}, nil
}

// command prepares a program that runs in the directory, as the server's user,
// with a small environment of its own and its output in the server's log.
func (p *process) command(name string, args ...string) (*exec.Cmd, *os.File, error) {
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + p.dir}
	cmd.Stdout, cmd.Stderr = log, log // a file, not a pipe: no goroutine has to copy
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.as}
	return cmd, log, nil
}

// run executes a program to its end, as [process.start] would the server.
func (p *process) run(name string, args ...string) error {
	cmd, log, err := p.command(name, args...)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.tell(cmd.Process.Pid)
	err = cmd.Wait()
	p.tell(0)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, p.logTail())
	}
	return nil
}

// start runs the server and waits until ready returns nil.
func (p *process) start(ready func() error, name string, args ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("%s: its test is over", filepath.Base(name))
	}
	if p.cmd != nil {
		return fmt.Errorf("%s is running already", filepath.Base(name))
	}
	cmd, log, err := p.command(name, args...)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	p.tell(cmd.Process.Pid)

	deadline := time.Now().Add(startLimit)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if gone(cmd.Process.Pid) || time.Now().After(deadline) {
			p.end(syscall.SIGKILL)
			return fmt.Errorf("%s does not start: %w\n%s", filepath.Base(name), err, p.logTail())
		}
		time.Sleep(pollEvery)
	}
}

// stop ends the server by sig, which it may take its time to obey, and
// everything that it left behind. Stopping a stopped server does nothing.
func (p *process) stop(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(sig)
}

func (p *process) end(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	pid := p.cmd.Process.Pid
	all := append([]int{pid}, children(pid)...)
	if sig != syscall.SIGKILL {
		signalAll(all, syscall.SIGCONT) // a frozen process obeys nothing but SIGKILL
		signalAll(all[:1], sig)
		waitGone(all[:1], stopLimit)
		all = append(all, children(pid)...)
	}
	signalAll(all, syscall.SIGKILL)
	_ = p.cmd.Wait() // its exit status says how we killed it; nothing to learn
	waitGone(all, stopLimit)
	p.cmd = nil
	p.tell(0)
}

// freeze stops (SIGSTOP) or continues (SIGCONT) the server and its children.
func (p *process) freeze(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("the server is not running")
	}
	pid := p.cmd.Process.Pid
	signalAll([]int{pid}, sig) // first the parent, so that no child is born unseen
	signalAll(children(pid), sig)
	return nil
}

// close ends the server for good and removes its directory.
func (p *process) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.end(p.stopWith)
	p.closed = true
	if err := p.announce.Close(); err != nil {
		return err
	}
	if err := p.grave.Wait(); err != nil {
		return fmt.Errorf("cannot remove %s: %w", p.dir, err)
	}
	return nil
}

// tell names to the undertaker the process to end. A failed write means that
// it is dead itself; close will report that.
func (p *process) tell(pid int) { _, _ = fmt.Fprintln(p.announce, pid) }

func (p *process) logPath() string { return filepath.Join(p.dir, "log") }

// logTail returns the last lines that the server wrote, to explain a failure.
func (p *process) logTail() string {
	text, err := os.ReadFile(p.logPath())
	if err != nil {
		return err.Error()
	}
	const enough = 2000
	return string(text[max(0, len(text)-enough):])
}

// signalAll ignores processes that have already ended.
func signalAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

func waitGone(pids []int, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for _, pid := range pids {
		for !gone(pid) && time.Now().Before(deadline) {
			time.Sleep(pollEvery)
		}
	}
}

// gone tells whether a process has ended, perhaps still waiting to be reaped.
func gone(pid int) bool {
	state, _, ok := stat(pid)
	return !ok || state == "Z" || state == "X"
}

// children lists the direct children of a process. PostgreSQL's backends lead
// process groups of their own, so a signal to the server's group misses them.
func children(parent int) []int {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if _, ppid, ok := stat(pid); ok && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat reads state and parent from /proc/PID/stat (proc(5)). The command name,
// second field, is in parentheses and may itself contain spaces.
func stat(pid int) (state string, ppid int, ok bool) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	ppid, err = strconv.Atoi(fields[1])
	return fields[0], ppid, err == nil
}

// freePort returns a loopback port on which nobody listens, below the range
// from which Linux takes the ports of outgoing connections (32768 and up):
// while a server is stopped its port must not be taken by a client, least of
// all by one that tries to reach that very server.
func freePort() (int, error) {
	var last error
	for range 100 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port on loopback: %w", last)
}
