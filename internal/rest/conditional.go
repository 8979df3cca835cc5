package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// An entity tag is "VERSION-DIGEST", or "DIGEST" of what has no version.
//
// The digest is of the body. A position reads differently without a new version
// when SEND names another price or its due date passes; a tag that were the
// version alone would let If-None-Match answer 304 and hide the new fee, and
// would not be the strong validator that RFC 9110, 8.8.1 wants.
//
// If-Match is about the version alone: what a change replaces, and could
// overwrite unseen, is the version. A price that came in since is not touched
// by the change, and is no reason to refuse it.

// tagAnswers completes the ETag of the operations whose answer declares one in
// the document, and answers 304 to a GET whose sender has the same already
// (RFC 9110, 13.1.2). Such an answer may be kept by its receiver, who has to ask
// every time whether it still holds.
func (s *server) tagAnswers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op := s.operation(c)
		if op == nil || !op.tagged() {
			return next(c)
		}
		conditions := c.Request().Header
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if lines := conditions.Values(name); len(lines) > 1 { // a list may be split; the generated code wants it whole
				conditions.Set(name, strings.Join(lines, ", "))
			}
		}
		d := draftOf(c)
		defer d.end()
		if err := next(c); err != nil {
			return err
		}
		if d.status != http.StatusOK && d.status != http.StatusCreated {
			return d.send()
		}
		header := d.Header()
		tag := entityTag(header.Get("ETag"), d.body.Bytes())
		header.Set("ETag", tag)
		if c.Request().Method == http.MethodGet {
			header.Set(echo.HeaderCacheControl, "no-cache")
			if op.Access != forAll {
				header.Set(echo.HeaderCacheControl, "private, no-cache")
				header.Set(echo.HeaderVary, "Ocp-Apim-Subscription-Key, X-Api-Key, Authorization")
			}
			if has(conditions.Get("If-None-Match"), tag) {
				header.Del(echo.HeaderContentType)
				header.Del(echo.HeaderContentLength)
				d.status = http.StatusNotModified
				d.body.Reset()
			}
		}
		return d.send()
	}
}

// entityTag joins the version that an operation set, a tag itself, with the
// digest of its answer.
func entityTag(version string, body []byte) string {
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:8])
	if version = strings.Trim(version, `"`); version != "" {
		digest = version + "-" + digest
	}
	return `"` + digest + `"`
}

// has evaluates If-None-Match: weak comparison. Our tags hold no comma, so one
// that does cannot match anyhow.
func has(ifNoneMatch, current string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == current {
			return true
		}
	}
	return false
}

// versionTag is the tag that an operation sets; [server.tagAnswers] adds the
// digest.
func versionTag(version int64) *string {
	tag := `"` + strconv.FormatInt(version, 10) + `"`
	return &tag
}

// etag is the version of a position as a tag.
func etag(p *positions.Position) *string { return versionTag(p.Version) }

// current refuses a change of another version of a position than the one that
// If-Match names, if it is there.
func current(ifMatch *string, p *positions.Position) error {
	if ifMatch == nil || matchesVersion(*ifMatch, p.Version) {
		return nil
	}
	return positions.Errorf(positions.Stale, "the position is at version %d: read it again", p.Version)
}

// matchesVersion evaluates If-Match (RFC 9110, 13.1.1): strong comparison, so a
// weak tag never matches. "7" is as good as "7-…".
func matchesVersion(ifMatch string, version int64) bool {
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == *versionTag(version) {
			return true
		}
		if rest, ok := strings.CutPrefix(tag, `"`+strconv.FormatInt(version, 10)+"-"); ok && strings.HasSuffix(rest, `"`) {
			return true
		}
	}
	return false
}
