package deploytest

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
)

// A replica that drains answers for the drain delay. Whoever sends it calls must have
// found out before: docs/rolling-restart.md.

func TestTheProxyOfComposeLeavesAReplicaWhileItStillAnswers(t *testing.T) {
	m := regexp.MustCompile(`(?m)^\s*default-server .*\binter (\d+)s fall (\d+)\b`).FindStringSubmatch(text(t, "compose/haproxy.cfg"))
	if m == nil {
		t.Fatal("the proxy does not say how often it asks, in seconds, and how often in vain")
	}
	delay := drainDelay(t, nil)
	for name, s := range document[composition](t, "compose/compose.yaml").Services {
		if own := s.Environment["ATTUALIZZA_DRAIN_DELAY"]; own != "" {
			delay = min(delay, drainDelay(t, map[string]string{"ATTUALIZZA_DRAIN_DELAY": own}))
			t.Logf("%s drains for %s", name, own)
		}
	}
	if noticed := seconds(t, m[1]) * time.Duration(number(t, m[2])); noticed+time.Second > delay {
		t.Errorf("the proxy notices within %s, which leaves less than a second of %s", noticed, delay)
	}
}

func TestKubernetesLeavesAReplicaWhileItStillAnswers(t *testing.T) {
	pod := document[workload](t, "kubernetes/deployment.yaml").Spec.Template.Spec
	env, _ := settings(t)
	delay := drainDelay(t, env)
	p := pod.Containers[0].ReadinessProbe
	if noticed := time.Duration(p.Period*p.Failures) * time.Second; p.Period == 0 || p.Failures == 0 || noticed+time.Second > delay {
		t.Errorf("readiness is asked every %d s and lost after %d: which leaves less than a second of %s", p.Period, p.Failures, delay)
	}
	if grace := time.Duration(pod.Grace) * time.Second; grace < delay+stopsWithin*time.Second {
		t.Errorf("%s of grace are not enough for a drain of %s and all that follows", grace, delay)
	}
}

// drainDelay is the variables', or the default.
func drainDelay(t *testing.T, env map[string]string) time.Duration {
	t.Helper()
	const name = "ATTUALIZZA_DRAIN_DELAY"
	if given, ok := env[name]; ok {
		t.Setenv(name, given)
	}
	cfg, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.DrainDelay
}

func seconds(t *testing.T, s string) time.Duration { return time.Duration(number(t, s)) * time.Second }

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
