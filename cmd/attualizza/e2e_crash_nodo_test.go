package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// play tells one story.
func (c *crash) play(ctx context.Context, s *story) error {
	for _, step := range s.steps {
		n := c.sent.Add(1)
		for _, k := range c.kills {
			if k.after == n {
				close(k.reached)
			}
		}
		switch step.kind {
		case activates, isLate:
			reply, err := c.ask(ctx, s)
			if err != nil {
				return err
			}
			if paid := fault(reply) == string(positions.RefusedDuplicate); paid != (step.kind == isLate) || !paid && reply.Response.Payment == nil {
				return fmt.Errorf("an activation was answered %s %s", reply.Response.Outcome, fault(reply))
			}
			if step.kind == activates {
				s.payment = reply.Response.Payment
			}
		case pays:
			if err := c.pay(ctx, s.nextReceipt(time.Now()), step.once); err != nil {
				return err
			}
		case repeats:
			if err := c.pay(ctx, s.receipts[step.of], false); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask activates a notice until that is answered, and notes each answer that has
// to be on record.
func (c *crash) ask(ctx context.Context, s *story) (*nodo.Reply, error) {
	for {
		sent := time.Now()
		reply, err := c.send(ctx, s.activation())
		answered := time.Now()
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			c.interrupted.Add(1)
		case reply.Response == nil || reply.HTTPStatus != http.StatusOK:
			return nil, fmt.Errorf("an activation was answered HTTP %d %s", reply.HTTPStatus, reply.Body)
		case fault(reply) == "PAA_SYSTEM_ERROR":
			c.refused.Add(1)
		default:
			s.answers = append(s.answers, toldAmount{sent, answered, reply.Took, reply.Response.Outcome, fault(reply), asked(reply)})
			return reply, nil
		}
		if err := sleep(ctx, again); err != nil {
			return nil, err
		}
	}
}

// pay sends a receipt until it is acknowledged, as the Nodo does, or only once.
func (c *crash) pay(ctx context.Context, r *sentReceipt, once bool) error {
	for {
		reply, err := c.send(ctx, r.request)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			c.interrupted.Add(1)
		case reply.HTTPStatus == http.StatusServiceUnavailable && len(reply.Body) == 0:
			c.resubmitted.Add(1)
		case reply.HTTPStatus == http.StatusOK && reply.Response != nil && reply.Response.Outcome == "OK":
			r.acknowledged = true
			return nil
		default:
			return fmt.Errorf("a receipt was answered HTTP %d %s", reply.HTTPStatus, reply.Body)
		}
		if once {
			return nil
		}
		if err := sleep(ctx, again); err != nil {
			return err
		}
	}
}

// again is how soon the Nodo tries again.
const again = 50 * time.Millisecond

func (c *crash) send(ctx context.Context, request *pafornode.Request) (*nodo.Reply, error) {
	client := nodo.Client{Endpoint: "http://" + c.cfg.NodoListen + "/soap/paForNode", HTTP: c.house.client}
	return client.Send(ctx, request)
}
