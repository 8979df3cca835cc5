package telemetry

import (
	"os"
	"runtime/debug"
)

// GCPercent is how much the heap may grow before the garbage collector runs, in
// per cent of what is alive. An answer leaves about 10 KB behind while little
// is alive, so at Go's own 100 the collector would run many times a second;
// 400 costs some 15 MB under load.
const GCPercent = 400

// TuneMemory gives back to the machine what the start needed and nothing needs any
// more, and then sets [GCPercent], unless the operator has set GOGC. It is for when
// the start is over: what is read at the start would otherwise stay several times.
func TuneMemory() {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(GCPercent)
	}
}
