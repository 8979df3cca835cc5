package testservers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain plays two parts: with the variable set it is a program that uses the
// shared servers and then hangs until it is killed, as a crashing test would.
func TestMain(m *testing.M) {
	if os.Getenv("ATTUALIZZA_TESTSERVERS_VICTIM") != "" {
		victim()
	}
	goleak.VerifyTestMain(m)
}

func victim() {
	pg, err := sharedPostgres()
	if err != nil {
		panic(err)
	}
	redis, err := sharedRedis()
	if err != nil {
		panic(err)
	}
	if err := redis.proc.freeze(syscall.SIGSTOP); err != nil {
		panic(err)
	}
	for _, p := range []*process{pg.proc, redis.proc} {
		pid := p.cmd.Process.Pid
		fmt.Println(p.dir, pid, strings.Trim(fmt.Sprint(lasting(pid)), "[]"))
	}
	fmt.Println("ready")
	select {}
}

// lasting returns the children that stay: a server that has just started still has
// some that end by themselves, such as the session that was asked whether it is
// up.
func lasting(parent int) []int {
	pids := children(parent)
	for range 5 {
		time.Sleep(200 * time.Millisecond)
		now := children(parent)
		pids = slices.DeleteFunc(pids, func(pid int) bool { return !slices.Contains(now, pid) })
	}
	return pids
}

func TestNothingIsLeftOfTheServersOfAProcessThatWasKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ATTUALIZZA_TESTSERVERS_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		fields := strings.Fields(lines.Text())
		dirs = append(dirs, fields[0])
		for _, f := range fields[1:] {
			pid, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	if len(dirs) != 2 || len(pids) < 4 {
		t.Fatalf("the victim names %v and %v; want two servers and some backends", dirs, pids)
	}
	for _, pid := range pids {
		if gone(pid) {
			t.Fatalf("process %d does not run before the kill", pid)
		}
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"

	waitGone(pids, 20*time.Second)
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(pollEvery) {
		left := existing(dirs)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("directories left behind: %v", left)
		}
	}
}

func TestClosingAServerLeavesNeitherProcessNorDirectory(t *testing.T) {
	pg, err := RunPostgres()
	if err != nil {
		t.Fatal(err)
	}
	redis, err := RunRedis()
	if err != nil {
		t.Fatal(err)
	}
	pg.Pause() // the hardest case: processes that obey nothing
	redis.Pause()
	pids := append(children(pg.proc.cmd.Process.Pid), pg.proc.cmd.Process.Pid, redis.proc.cmd.Process.Pid)
	dirs := []string{pg.proc.dir, redis.proc.dir}

	pg.Close()
	redis.Close()
	pg.Close() // again is no error
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	if left := existing(dirs); len(left) > 0 {
		t.Errorf("directories left behind: %v", left)
	}
}

func TestAServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	before := leftovers(t)
	_, err := RunPostgres(Setting("max_connections", "many"))
	if err == nil || !strings.Contains(err.Error(), "max_connections") {
		t.Errorf("error %v does not repeat the server's own complaint", err)
	}
	if after := leftovers(t); after > before {
		t.Errorf("%d directories before, %d after", before, after)
	}
}

func TestMissingBinariesAreAnsweredWithTheCommandThatHelps(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := RunRedis()
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y postgresql redis-server") {
		t.Errorf("error %v does not name the command", err)
	}
}

func existing(dirs []string) []string {
	var left []string
	for _, d := range dirs {
		if _, err := os.Stat(d); err == nil {
			left = append(left, d)
		}
	}
	return left
}

// leftovers counts the directories of PostgreSQL servers that this test could
// have made. Other test processes may run beside us, so only our own user's
// servers with a broken configuration, which nobody else starts, are counted.
func leftovers(t *testing.T) int {
	t.Helper()
	logs, err := filepath.Glob("/tmp/attualizza-postgres-*/log")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range logs {
		text, err := os.ReadFile(l)
		if err == nil && strings.Contains(string(text), `"many"`) {
			n++
		}
	}
	return n
}
