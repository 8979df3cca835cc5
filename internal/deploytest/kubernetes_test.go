package deploytest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type podSpec struct {
	Grace    int  `yaml:"terminationGracePeriodSeconds"`
	Links    bool `yaml:"enableServiceLinks"`
	Security struct {
		NonRoot bool `yaml:"runAsNonRoot"`
		User    int  `yaml:"runAsUser"`
	} `yaml:"securityContext"`
	Containers []struct {
		Args    []string
		EnvFrom []struct {
			ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
		} `yaml:"envFrom"`
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		Resources      struct{ Requests, Limits map[string]string }
		Security       struct {
			ReadOnly bool `yaml:"readOnlyRootFilesystem"`
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Secret struct {
			SecretName string `yaml:"secretName"`
		}
	}
}

type probe struct {
	HTTPGet  struct{ Path, Port string } `yaml:"httpGet"`
	Period   int                         `yaml:"periodSeconds"`
	Failures int                         `yaml:"failureThreshold"`
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type workload struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas int
		Selector selector
		Strategy struct {
			RollingUpdate struct {
				MaxUnavailable *int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

const mounted = "/run/secrets/attualizza"

// settings are those of the ConfigMap, its secrets held in a folder of ours.
func settings(t *testing.T) (env map[string]string, held string) {
	t.Helper()
	held = t.TempDir()
	for key, value := range document[struct {
		StringData map[string]string `yaml:"stringData"`
	}](t, "kubernetes/secret.example.yaml").StringData {
		switch key { // empty in the example: nobody shall use ours
		case "admin-key":
			value = strings.Repeat("a", 16)
		case "master-key":
			value = strings.Repeat("A", 43) + "="
		}
		if err := os.WriteFile(filepath.Join(held, key), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return document[struct{ Data map[string]string }](t, "kubernetes/configmap.yaml").Data, held
}

func TestTheConfigMapIsAcceptedWithTheSecret(t *testing.T) {
	env, held := settings(t)
	cfg := accepted(t, env, mounted, held)
	if cfg.RedisURL == "" || cfg.MasterKey == "" || cfg.AdminKey == "" || !strings.HasPrefix(string(cfg.DatabaseURL), "postgres://") {
		t.Errorf("a dependency or a key is missing: %v", cfg)
	}
}

func TestPodsOfKubernetesAreConfinedAndGivenTimeToStop(t *testing.T) {
	env, _ := settings(t)
	for _, file := range []string{"kubernetes/deployment.yaml", "kubernetes/migrate-job.yaml"} {
		w := document[workload](t, file)
		pod := w.Spec.Template.Spec
		if len(pod.Containers) != 1 {
			t.Fatalf("%s: %d containers", file, len(pod.Containers))
		}
		c := pod.Containers[0]
		if !pod.Security.NonRoot || pod.Security.User == 0 || !c.Security.ReadOnly {
			t.Errorf("%s: may be root, or write its root", file)
		}
		if pod.Links {
			t.Errorf("%s: service links are unknown ATTUALIZZA_ variables", file)
		}
		if len(c.EnvFrom) != 1 || c.EnvFrom[0].ConfigMapRef.Name != "attualizza" || pod.Volumes[0].Secret.SecretName != "attualizza" || c.VolumeMounts[0].MountPath != mounted {
			t.Errorf("%s: settings or secrets are not given", file)
		}
		if c.Resources.Limits["cpu"] != "" || c.Resources.Requests["cpu"] == "" {
			t.Errorf("%s: %v", file, c.Resources)
		}
		if w.Kind == "Job" {
			continue
		}
		if pod.Grace <= stopsWithin {
			t.Errorf("%s: %d s cut off a process that drains", file, pod.Grace)
		}
		if mebibytes(t, env["GOMEMLIMIT"]) >= mebibytes(t, c.Resources.Limits["memory"]) {
			t.Errorf("GOMEMLIMIT %s is of no use below %s", env["GOMEMLIMIT"], c.Resources.Limits["memory"])
		}
	}
}

func mebibytes(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimRight(s, "MiB"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnUpdateTakesNoReplicaAway(t *testing.T) {
	d := document[workload](t, "kubernetes/deployment.yaml")
	if n := d.Spec.Strategy.RollingUpdate.MaxUnavailable; n == nil || *n != 0 || d.Spec.Replicas < 2 {
		t.Errorf("replicas %d, maxUnavailable %v", d.Spec.Replicas, n)
	}
	h := document[struct {
		Spec struct {
			Target struct{ Kind, Name string } `yaml:"scaleTargetRef"`
			Min    int                         `yaml:"minReplicas"`
		}
	}](t, "kubernetes/hpa.yaml")
	if h.Spec.Target.Kind != d.Kind || h.Spec.Target.Name != d.Metadata.Name || h.Spec.Min < 2 {
		t.Errorf("%+v", h)
	}
}

func TestPortsProbesAndSelectorsAgree(t *testing.T) {
	d := document[workload](t, "kubernetes/deployment.yaml")
	c, labels := d.Spec.Template.Spec.Containers[0], d.Spec.Template.Metadata.Labels
	if len(labels) == 0 || !maps.Equal(labels, d.Spec.Selector.MatchLabels) {
		t.Errorf("labels %v, selector %v", labels, d.Spec.Selector.MatchLabels)
	}
	env, _ := settings(t)
	doors := map[string]int{}
	for _, p := range c.Ports {
		doors[p.Name] = p.ContainerPort
		if listens := env["ATTUALIZZA_"+strings.ToUpper(p.Name)+"_LISTEN"]; listens != "0.0.0.0:"+strconv.Itoa(p.ContainerPort) {
			t.Errorf("port %s is %d, the program listens at %q", p.Name, p.ContainerPort, listens)
		}
	}
	if len(doors) != 3 {
		t.Fatalf("doors: %v", doors)
	}
	for want, p := range map[string]probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p.HTTPGet.Path != want || p.HTTPGet.Port != "ops" {
			t.Errorf("%+v does not ask ops for %s", p, want)
		}
		answersOps(t, p.HTTPGet.Path)
	}

	s := document[struct {
		Spec struct {
			Selector map[string]string
			Ports    []struct {
				Name       string
				Port       int
				TargetPort string `yaml:"targetPort"`
			}
		}
	}](t, "kubernetes/service.yaml")
	if !maps.Equal(s.Spec.Selector, labels) {
		t.Errorf("the Service selects %v", s.Spec.Selector)
	}
	for _, p := range s.Spec.Ports {
		if doors[p.TargetPort] != p.Port || p.TargetPort == "ops" {
			t.Errorf("port of the Service: %+v", p)
		}
	}
	b := document[struct{ Spec struct{ Selector selector } }](t, "kubernetes/pdb.yaml")
	if !maps.Equal(b.Spec.Selector.MatchLabels, labels) {
		t.Errorf("the budget selects %v", b.Spec.Selector)
	}
}

func TestOnlyMonitoringReachesTheOpsDoor(t *testing.T) {
	n := document[struct {
		Spec struct {
			PodSelector selector `yaml:"podSelector"`
			Ingress     []struct {
				From []struct {
					Namespaces selector `yaml:"namespaceSelector"`
				}
				Ports []struct{ Port string }
			}
		}
	}](t, "kubernetes/networkpolicy.yaml")
	if d := document[workload](t, "kubernetes/deployment.yaml"); !maps.Equal(n.Spec.PodSelector.MatchLabels, d.Spec.Template.Metadata.Labels) {
		t.Errorf("the policy selects %v", n.Spec.PodSelector)
	}
	opened := 0
	for _, rule := range n.Spec.Ingress {
		if len(rule.Ports) == 0 || len(rule.From) == 0 {
			t.Error("a rule lets everybody in, or to every port")
		}
		for _, p := range rule.Ports {
			if p.Port != "ops" {
				continue
			}
			opened++
			for _, from := range rule.From {
				if from.Namespaces.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
					t.Errorf("%+v reaches the ops door", from)
				}
			}
		}
	}
	if opened != 1 {
		t.Errorf("the ops door is opened by %d rules", opened)
	}
}

func TestTheKustomizationListsEveryFile(t *testing.T) {
	k := document[struct{ Resources []string }](t, "kubernetes/kustomization.yaml")
	files, err := filepath.Glob(filepath.Join(folder, "kubernetes", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		switch name := filepath.Base(path); name {
		case "kustomization.yaml", "secret.example.yaml", "migrate-job.yaml": // by hand
		default:
			if !slices.Contains(k.Resources, name) {
				t.Errorf("%s is not applied", name)
			}
		}
	}
}
