package sendclient

import (
	"encoding/json"
	"regexp"
	"time"
)

// eventIDs are 38 digits in SEND's description; their order is that of the stream.
var eventIDs = regexp.MustCompile(`^[0-9]{38}$`)

// iuns are SEND's names of notifications.
var iuns = regexp.MustCompile(`^[A-Z]{4}-[A-Z]{4}-[A-Z]{4}-[0-9]{6}-[A-Z]-[0-9]$`)

// maxRecIndex is beyond the recipients of any notification.
const maxRecIndex = 10_000

// readEvents reads a list of ProgressResponseElement. It fails only when it is no
// list, or none of its events has an identifier: then nothing could ever be
// acknowledged. An event that cannot be read does not stop those after it.
func readEvents(body []byte) (p Progress, ok bool) {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil {
		return Progress{}, false
	}
	for _, raw := range list {
		e, readable := readEvent(raw)
		if e.ID > p.LastEventID {
			p.LastEventID = e.ID
		}
		if readable {
			p.Events = append(p.Events, e)
		} else {
			p.Unreadable++
		}
	}
	return p, len(list) == 0 || p.LastEventID != ""
}

// readEvent reads one event. What it knows of one that is not readable is its
// identifier, if it has one.
func readEvent(raw json.RawMessage) (e StreamEvent, readable bool) {
	var name struct {
		EventID string `json:"eventId"`
	}
	if json.Unmarshal(raw, &name) != nil || !eventIDs.MatchString(name.EventID) {
		return StreamEvent{}, false
	}
	e = StreamEvent{ID: name.EventID, RecIndex: -1}
	var wire struct {
		IUN     string `json:"iun"`
		Element struct {
			Category           string          `json:"category"`
			IngestionTimestamp json.RawMessage `json:"ingestionTimestamp"`
			Details            json.RawMessage `json:"details"`
		} `json:"element"`
	}
	if json.Unmarshal(raw, &wire) != nil || !iuns.MatchString(wire.IUN) {
		return e, false
	}
	e.IUN, e.Category = wire.IUN, codeOf(wire.Element.Category)
	if at, err := date(wire.Element.IngestionTimestamp); err == nil {
		e.IngestedAt = at.In(time.UTC)
	}
	var details struct {
		RecIndex *int `json:"recIndex"`
	}
	if !absent(wire.Element.Details) && json.Unmarshal(wire.Element.Details, &details) != nil {
		return e, false // whose it is cannot be told
	}
	if i := details.RecIndex; i != nil {
		if *i < 0 || *i > maxRecIndex {
			return e, false
		}
		e.RecIndex = *i
	}
	return e, e.Category != ""
}
