package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

type nodoCommand struct {
	Verify   nodoVerify   `cmd:"" help:"Ask what a notice costs (paVerifyPaymentNotice)."`
	Activate nodoActivate `cmd:"" help:"Ask to pay a notice (paGetPaymentV2, or paGetPayment with --v1)."`
	SendRT   nodoSendRT   `cmd:"" name:"send-rt" help:"Activate a notice and send the receipt of its payment (paSendRTV2, or paSendRT with --v1)."`
}

// nodoTarget says whom to ask, and about which notice.
type nodoTarget struct {
	Endpoint string `default:"http://127.0.0.1:8080/soap/paForNode" help:"paForNode endpoint; ${default} unless given." placeholder:"URL"`
	IDPA     string `name:"id-pa" required:"" help:"Tax code of the creditor (idPA)." placeholder:"CODE"`
	Broker   string `required:"" help:"Code of its broker (idBrokerPA)." placeholder:"CODE"`
	Station  string `required:"" help:"Code of the station (idStation)." placeholder:"CODE"`
	Notice   string `arg:"" help:"Notice number, 18 digits."`
	Raw      bool   `help:"Print the answer's XML too."`
	Cert     string `name:"tls-cert" help:"PEM client certificate, for an endpoint with mutual TLS." placeholder:"FILE"`
	Key      string `name:"tls-key" help:"PEM private key of the certificate." placeholder:"FILE"`
	CA       string `name:"tls-ca" help:"PEM certificates that the endpoint's is held to; those of the machine unless given." placeholder:"FILE"`
}

// Validate is called by kong: what the Nodo itself would never send is refused
// before anything is sent.
func (t *nodoTarget) Validate() error {
	if u, err := url.Parse(t.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--endpoint %s must be a URL like http://127.0.0.1:8080/soap/paForNode", t.Endpoint)
	}
	if len(t.Notice) != 18 || strings.Trim(t.Notice, "0123456789") != "" {
		return fmt.Errorf("a notice number is 18 digits, %q is not", t.Notice)
	}
	if !positions.FiscalCodePA(t.IDPA) {
		return fmt.Errorf("--id-pa must be the 11 digits of a creditor's tax code, %q is not", t.IDPA)
	}
	return nil
}

func (t *nodoTarget) request(op pafornode.Operation) *pafornode.Request {
	return &pafornode.Request{
		Operation: op, IDPA: t.IDPA, IDBrokerPA: t.Broker, IDStation: t.Station,
		QRCode: pafornode.QRCode{FiscalCode: t.IDPA, NoticeNumber: t.Notice},
	}
}

type nodoVerify struct {
	nodoTarget `embed:""`
}

func (c *nodoVerify) Run(ctx context.Context, std stdio) error {
	_, err := c.call(ctx, std, c.request(pafornode.VerifyPaymentNotice))
	return err
}

type nodoActivate struct {
	nodoTarget   `embed:""`
	V1           bool   `name:"v1" help:"Use paGetPayment instead of paGetPaymentV2."`
	Amount       string `help:"Amount that the payer saw, for example 100.00; informative." placeholder:"EURO"`
	TransferType string `enum:",POSTAL,PAGOPA" default:"" help:"Which accounts are wanted: POSTAL or PAGOPA."`
	PaymentNote  string `help:"Cart of the creditor's own site." placeholder:"TEXT"`
}

func (c *nodoActivate) activation() (*pafornode.Request, error) {
	op := pafornode.GetPaymentV2
	if c.V1 {
		op = pafornode.GetPayment
	}
	request := c.request(op)
	request.TransferType, request.PaymentNote = c.TransferType, c.PaymentNote
	if c.Amount != "" {
		amount, err := money.ParseEuro(c.Amount)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--amount %s %w", c.Amount, err)}
		}
		request.Amount, request.HasAmount = amount, true
	}
	return request, nil
}

func (c *nodoActivate) Run(ctx context.Context, std stdio) error {
	request, err := c.activation()
	if err != nil {
		return err
	}
	_, err = c.call(ctx, std, request)
	return err
}

type nodoSendRT struct {
	nodoActivate `embed:""`
	ReceiptID    string `help:"receiptId; without it a new one." placeholder:"ID"`
	Paid         string `help:"Amount paid when it differs from the activation's answer, for example 100.00." placeholder:"EURO"`
	StandIn      bool   `help:"Mark the receipt as collected in stand-in."`
}

func (c *nodoSendRT) Run(ctx context.Context, std stdio) error {
	activation, err := c.activation()
	if err != nil {
		return err
	}
	reply, err := c.call(ctx, std, activation)
	if err != nil {
		return err
	}
	request := nodo.ReceiptFor(activation, reply.Response.Payment, time.Now())
	if c.ReceiptID != "" {
		request.Receipt.ReceiptID = c.ReceiptID
	}
	if c.Paid != "" {
		if request.Receipt.PaymentAmount, err = money.ParseEuro(c.Paid); err != nil {
			return &usageError{fmt.Errorf("--paid %s %w", c.Paid, err)}
		}
	}
	request.Receipt.StandIn = c.StandIn
	_, err = c.call(ctx, std, request)
	return err
}

// call asks and prints what came back, valid or not and why. An answer that is
// not valid, or a KO, is an error, so that scripts notice.
func (t *nodoTarget) call(ctx context.Context, std stdio, request *pafornode.Request) (*nodo.Reply, error) {
	caller, err := callerWith(t.Cert, t.Key, t.CA)
	if err != nil {
		return nil, &usageError{err}
	}
	defer caller.CloseIdleConnections()
	client := nodo.Client{Endpoint: t.Endpoint, HTTP: caller}
	reply, err := client.Send(ctx, request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("nobody listens at %s: is `attualizza serve` running, or is --endpoint another one? (%w)", t.Endpoint, err)
	}
	if err != nil {
		return nil, err
	}
	printReply(std.out, reply)
	if t.Raw {
		fmt.Fprintf(std.out, "%s\n", reply.Body)
	}
	switch {
	case reply.Response == nil && reply.HTTPStatus/100 == http.StatusBadRequest/100:
		return nil, fmt.Errorf("%s answers HTTP %d and no SOAP: is this the SOAP address (…/soap/paForNode)?", t.Endpoint, reply.HTTPStatus)
	case len(reply.Problems) > 0:
		return nil, errors.New("the Nodo would not accept this answer")
	case reply.Response.Outcome == "KO":
		return nil, fmt.Errorf("%s: KO %s", reply.Operation, reply.Response.Fault.Code)
	}
	return reply, nil
}

// printReply shows an answer as a person reads it.
func printReply(w io.Writer, r *nodo.Reply) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle(r.Operation.String())
	row := func(name string, value any) { t.AppendRow(table.Row{name, value}) }
	row("HTTP", r.HTTPStatus)
	row("time", r.Took.Round(100*time.Microsecond))
	if len(r.Problems) == 0 {
		row("valid", "yes")
	} else {
		row("valid", "no: "+strings.Join(r.Problems, "\n    "))
	}
	if a := r.Response; a != nil {
		row("outcome", a.Outcome)
		if f := a.Fault; f != nil {
			row("fault", f.Code+"\n"+f.String+"\n"+f.Description)
		}
		if v := a.Verify; v != nil {
			row("amount", v.Amount)
			row("due date", v.DueDate)
			row("description", v.PaymentDescription)
			row("creditor", v.FiscalCodePA+" "+v.CompanyName)
		}
		if p := a.Payment; p != nil {
			row("amount", p.Amount)
			row("due date", p.DueDate)
			row("IUV", p.CreditorReferenceID)
			for _, x := range p.Transfers {
				account := x.IBAN
				if x.Stamp != nil {
					account = "marca da bollo " + x.Stamp.Province
				}
				row(fmt.Sprintf("transfer %d", x.IDTransfer), fmt.Sprintf("%s to %s, %s", x.Amount, x.FiscalCodePA, account))
			}
			for _, m := range p.Metadata {
				row("metadata", m.Key+" = "+m.Value)
			}
		}
	}
	t.SetStyle(table.StyleLight)
	t.Render()
}
