package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
)

// TestDemoTellsHowToGoOn takes the commands that --keep prints at their word.
func TestDemoTellsHowToGoOn(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	sim, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	stage, err := newStage(t.Context(), sim, "sqlite:"+filepath.Join(t.TempDir(), "demo.db"), "", logger)
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	if err := stage.register(t.Context(), positions.Duration(time.Minute)); err != nil {
		t.Fatal(err)
	}
	scenes := demoScenes(time.Now())
	shown := sceneOf(scenes, func(s *scene) bool { return s.wantFee == 2557 })
	if err := stage.publish(t.Context(), shown.position()); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	stage.describe(&told, shown.nav)

	curls := regexp.MustCompile(`curl -s (\S+) -H 'X-Api-Key: (\S+)'`).FindAllStringSubmatch(told.String(), -1)
	if len(curls) != 2 {
		t.Fatalf("there are not two calls of the REST API: %s", told.String())
	}
	for _, curl := range curls {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, curl[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", curl[2])
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", curl[0], response.Status)
		}
	}
	line := regexp.MustCompile(`(?m)^  \S+ nodo verify (.+)$`).FindStringSubmatch(told.String())
	if line == nil {
		t.Fatalf("there is no command of the Nodo: %s", told.String())
	}
	var verify nodoVerify
	parser, err := kong.New(&verify)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(strings.Fields(line[1])); err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := verify.Run(t.Context(), stdio{out: &printed, err: &printed}); err != nil || !strings.Contains(printed.String(), "198,57") {
		t.Errorf("%v: %s", err, printed.String())
	}
}
