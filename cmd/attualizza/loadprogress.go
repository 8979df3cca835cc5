package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/attualizza/attualizza/internal/bulkload"
)

// loadProgress shows how far a load is: a bar by bytes on a terminal, a line
// every few seconds elsewhere.
type loadProgress struct {
	bar   *progressbar.ProgressBar
	out   io.Writer
	size  int64 // of the file, 0 when it cannot be told
	read  *counted
	began time.Time
	said  time.Time
}

func newLoadProgress(std stdio, size int64, read *counted) *loadProgress {
	p := &loadProgress{out: std.err, size: size, read: read, began: time.Now(), said: time.Now()}
	if std.terminal {
		if size == 0 {
			size = -1
		}
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(std.err), progressbar.OptionShowBytes(true),
			progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// report is told of every batch.
func (p *loadProgress) report(n bulkload.Counts) {
	done := fmt.Sprintf("%d read, %d created, %d published, %d already there, %d refused", n.Read, n.Created, n.Published, n.AlreadyThere, n.Refused)
	if p.bar != nil {
		p.bar.Describe(done)
		_ = p.bar.Set64(p.read.bytes.Load()) // drawing on a terminal
		return
	}
	if time.Since(p.said) < sayEvery {
		return
	}
	p.said = time.Now()
	if p.size > 0 {
		done = fmt.Sprintf("%d %% of the file, %s", 100*p.read.bytes.Load()/p.size, done)
	}
	fmt.Fprintf(p.out, "… %s, %d/s\n", done, int(float64(n.Read)/time.Since(p.began).Seconds()))
}

func (p *loadProgress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// peakMemory is the most that the process ever had in memory, in bytes; 0 where
// the system does not tell it as Linux does.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
