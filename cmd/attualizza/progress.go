package main

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// progress shows what is being done: a spinner on a terminal, lines elsewhere.
type progress struct {
	bar *progressbar.ProgressBar
	out io.Writer
}

func newProgress(std stdio) *progress {
	p := &progress{out: std.err}
	if std.terminal {
		p.bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(std.err), progressbar.OptionSpinnerType(14),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	}
	return p
}

func (p *progress) step(what string) {
	if p.bar == nil {
		fmt.Fprintln(p.out, "…", what)
		return
	}
	p.bar.Describe(what)
	_ = p.bar.Add(1) // drawing on a terminal
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
