// Command generate writes the dashboards as the JSON files that Grafana loads.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/attualizza/attualizza/internal/dashboards"
)

func main() {
	out := flag.String("out", "", "the folder to write to; its .json files are replaced")
	flag.Parse()
	if *out == "" {
		log.Fatal("-out is missing")
	}
	if err := write(*out); err != nil {
		log.Fatal(err)
	}
}

// write replaces the folder's dashboards, so that none stays that is no more.
func write(folder string) error {
	files, err := dashboards.Files()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
