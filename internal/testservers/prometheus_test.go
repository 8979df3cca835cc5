package testservers

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAPrometheusAnswersWithItsConfigurationAndLeavesNothing(t *testing.T) {
	var s *PrometheusServer
	t.Run("while it runs", func(t *testing.T) {
		s = StartPrometheus(t, 0, map[string]string{
			"prometheus.yaml": "rule_files: [rules.yaml]\n",
			"rules.yaml":      "groups: [{name: ours, rules: [{record: always, expr: vector(1)}]}]\n",
		})
		client := http.Client{}
		defer client.CloseIdleConnections()
		response, err := client.Get(s.URL() + "/api/v1/rules")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(body), `"name":"always"`) {
			t.Errorf("its rules are %s, %v", body, err)
		}
	})
	if left := existing([]string{s.proc.dir}); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAPrometheusThatCannotReadItsRulesSaysWhy(t *testing.T) {
	_, err := runPrometheus(0, map[string]string{
		"prometheus.yaml": "rule_files: [rules.yaml]\n",
		"rules.yaml":      "groups: [{name: ours, rules: [{record: never, expr: 'sum('}]}]\n",
	})
	if err == nil || !strings.Contains(err.Error(), "rules.yaml") {
		t.Errorf("error %v does not repeat its own complaint", err)
	}
}
