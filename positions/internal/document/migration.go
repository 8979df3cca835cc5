package document

import (
	"io/fs"
	"strconv"
	"strings"
)

// NewestMigration returns the number of the last file in the directory
// migrations of the files that a store embeds.
func NewestMigration(embedded fs.ReadDirFS) int64 {
	files, err := embedded.ReadDir("migrations")
	if err != nil {
		panic(err) // the files are embedded in the binary
	}
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
