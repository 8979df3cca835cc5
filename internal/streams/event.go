package streams

import (
	"context"
	"time"
)

// Event is something that happened to a notification, as it waits to be carried
// out. Organization and ID name it: the same two are the same event. It holds no
// personal data.
type Event struct {
	Organization string `json:"organization"` // tax code of the sender, whose stream it was
	ID           string `json:"id"`           // in that stream
	Category     string `json:"category"`
	IUN          string `json:"iun"`
	// RecIndex is the recipient concerned, from 0; -1: the whole notification.
	RecIndex int `json:"recIndex"`
	// ArrivedAt is when it was read, by the clock of the replica that did: a price
	// that was asked for later tells of it.
	ArrivedAt time.Time `json:"arrivedAt"`
}

// Queue takes over what has to be carried out.
type Queue interface {
	// Enqueue makes events durable, all or none, and has each given to
	// [Follower.Handle] until that succeeds. An event that it knows already changes
	// nothing, or is carried out again.
	Enqueue(ctx context.Context, events []Event) error
}

// effect is what an event means for a price.
type effect int

const (
	none    effect = iota
	settles        // the price stays what it is from now on, the date of the notification is another
	reopens        // the price may be another, frozen or not
)

// effects are the categories that matter. A payment stops the letters to come, and
// what was sent is owed as before; what it does to the notice is told by its
// receipt.
var effects = map[string]effect{
	"REQUEST_ACCEPTED":                  reopens, // from "no cost" to the first price
	"SEND_ANALOG_DOMICILE":              reopens,
	"SEND_SIMPLE_REGISTERED_LETTER":     reopens,
	"NOTIFICATION_TIMELINE_REWORKED":    reopens,
	"NOTIFICATION_CANCELLATION_REQUEST": reopens, // from then on there is no cost
	"NOTIFICATION_CANCELLED":            reopens,
	"NOTIFICATION_VIEWED":               settles,
	"REFINEMENT":                        settles,
	"PAYMENT":                           none,
}
