// Package dashboards holds the Grafana dashboards as Go. Each panel is a question
// that somebody on call asks, in Italian, with what a good and a bad answer look
// like and the page to read; [All] lays them out. What Grafana loads is the JSON
// under deploy/grafana/dashboards, which `make generate` writes from here.
//
// Only the generator and tests import this package: the service does not know that
// Grafana exists. That every query finds something in a running service is tested
// end to end, in cmd/attualizza.
package dashboards

//go:generate go run ./generate -out ../../deploy/grafana/dashboards
