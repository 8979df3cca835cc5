package cache

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestAFrozenRedisCostsLittle(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	s.freeze()
	defer s.thaw()
	quickest(t, 3*60*time.Millisecond, func() time.Duration {
		c := newCache(t, Options{Redis: dialReal(t, s.url)})
		began := time.Now()
		for i := range 3 {
			if _, ok := c.Get(ctx, fmt.Sprint("cold", i)); ok {
				t.Error("a frozen Redis answered")
			}
		}
		if took := time.Since(began); took < 3*40*time.Millisecond {
			t.Errorf("given up after %s already", took/3)
		}
		return time.Since(began)
	})
	c := newCache(t, Options{Redis: dialReal(t, s.url)})
	for i := range 3 {
		c.Get(ctx, fmt.Sprint(i))
	}
	quickest(t, 10*time.Millisecond, func() time.Duration {
		began := time.Now()
		for range 100 {
			c.Get(ctx, "cold")
			c.Put(ctx, "cold", price{}, time.Millisecond)
			c.Delete(ctx, "cold")
			if _, won := c.Lock(ctx, "cold", time.Second); !won {
				t.Fatal("a lock was lost to a frozen Redis")
			}
			if _, ok := c.Await(ctx, "other"); ok {
				t.Fatal("a value from nowhere")
			}
		}
		return time.Since(began)
	})
}

func TestAFrozenRedisIsFoundAgainByItself(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	log := &record{}
	r, err := Dial(s.url, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := newCache(t, Options{Redis: r, LocalFor: time.Millisecond})
	eventually(t, 10*time.Second, "the value is kept", func() bool {
		c.Put(ctx, "k", price{Total: 200}, time.Hour)
		time.Sleep(2 * time.Millisecond)
		_, ok := c.Get(ctx, "k")
		return ok
	})

	s.freeze()
	for i := range 3 {
		c.Get(ctx, fmt.Sprint(i))
	}
	// While it stays frozen, one operation every 2 or 3 seconds finds out.
	slow := 0
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
		one := time.Now()
		c.Get(ctx, "cold")
		if time.Since(one) > 45*time.Millisecond {
			slow++
		}
	}
	if slow < 1 || slow > 5 {
		t.Errorf("%d slow operations in 5 s", slow)
	}
	s.thaw()
	eventually(t, 10*time.Second, "the value is read again", func() bool { v, ok := c.Get(ctx, "k"); return ok && v.Total == 200 })
	if gone, back := log.count("going without it"), log.count("answers again"); gone != back || gone < 1 {
		t.Errorf("the log says %d times that it is gone and %d that it is back: %q", gone, back, log.lines)
	}
}

func TestManyAskersAtOnceDoNotQueueForAFrozenRedis(t *testing.T) {
	s := startRedis(t)
	s.freeze()
	defer s.thaw()
	quickest(t, 120*time.Millisecond, func() time.Duration {
		c := newCache(t, Options{Redis: dialReal(t, s.url)})
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 200 { // many times the pool
			wg.Go(func() { c.Get(t.Context(), fmt.Sprint(i)) })
		}
		wg.Wait()
		return time.Since(began)
	})
}

func TestAKilledRedisIsFoundAgainWhenItIsBack(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	r := dial(t, s.url)
	c := newCache(t, Options{Redis: r, LocalFor: time.Millisecond})
	if err := r.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	s.kill()
	quickest(t, 20*time.Millisecond, func() time.Duration {
		began := time.Now()
		for i := range 20 {
			if _, ok := c.Get(ctx, fmt.Sprint(i)); ok {
				t.Error("a dead Redis answered")
			}
		}
		return time.Since(began)
	})
	if err := r.Ping(ctx); err == nil {
		t.Error("Ping finds a dead Redis well")
	}
	s.start()
	eventually(t, 10*time.Second, "values are shared again", func() bool {
		c.Put(ctx, "new", price{Total: 7}, time.Hour)
		c.local.InvalidateAll()
		v, ok := c.Get(ctx, "new")
		return ok && v.Total == 7
	})
	if err := r.Ping(ctx); err != nil {
		t.Error(err)
	}
}

func TestARedisThatWasNeverThereIsFoundWhenItComes(t *testing.T) {
	port := freePort(t)
	c, ctx := newCache(t, Options{Redis: dial(t, "redis://127.0.0.1:"+port)}), t.Context()
	for i := range 10 {
		c.Get(ctx, fmt.Sprint(i))
	}
	s := &server{t: t, url: "redis://127.0.0.1:" + port, args: []string{"--port", port, "--bind", "127.0.0.1"}}
	s.start()
	defer s.kill()
	eventually(t, 10*time.Second, "values are kept", func() bool {
		c.Put(ctx, "k", price{Total: 7}, time.Hour)
		c.local.InvalidateAll()
		_, ok := c.Get(ctx, "k")
		return ok
	})
}

// A machine that is gone answers nothing at all, not even a refusal.
func TestAnAddressThatSwallowsConnectionsCostsLittle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never reads
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	quickest(t, 4*60*time.Millisecond, func() time.Duration {
		c := newCache(t, Options{Redis: dialReal(t, "redis://"+l.Addr().String())})
		began := time.Now()
		for i := range 100 { // three to find out, the others skipped
			c.Get(t.Context(), fmt.Sprint(i))
		}
		return time.Since(began)
	})
}

func TestCallersInAHurryDoNotCondemnRedis(t *testing.T) {
	s := startRedis(t)
	c := newCache(t, Options{Redis: dial(t, s.url)})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 50 {
		c.Get(gone, fmt.Sprint(i))
	}
	// A Put of a caller who has left still reaches Redis: others wait for it.
	c.Put(gone, "k", price{Total: 9}, time.Hour)
	c.local.InvalidateAll()
	if v, ok := c.Get(t.Context(), "k"); !ok || v.Total != 9 {
		t.Errorf("got %+v, %v", v, ok)
	}
}

func TestARedisThatRefusesIsSkipped(t *testing.T) {
	_, port := startRedisTCP(t, "--requirepass", "open-sesame")
	wrong := newCache(t, Options{Redis: dial(t, "redis://:wrong@127.0.0.1:"+port)})
	for i := range 10 {
		if _, ok := wrong.Get(t.Context(), fmt.Sprint(i)); ok {
			t.Error("a value without the password")
		}
	}
	right := newCache(t, Options{Redis: dial(t, "redis://:open-sesame@127.0.0.1:"+port+"/3")})
	right.Put(t.Context(), "k", price{Total: 3}, time.Hour)
	right.local.InvalidateAll()
	if v, ok := right.Get(t.Context(), "k"); !ok || v.Total != 3 {
		t.Errorf("with the password: %+v, %v", v, ok)
	}
}

func TestSentinelFindsItsMaster(t *testing.T) {
	_, port := startRedisTCP(t)
	sentinel := freePort(t)
	conf := t.TempDir() + "/sentinel.conf"
	write(t, conf, fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor prices 127.0.0.1 %s 1\n", sentinel, port))
	s := &server{t: t, url: "redis://127.0.0.1:" + sentinel, args: []string{conf, "--sentinel"}}
	s.start()
	defer s.kill()
	c, ctx := newCache(t, Options{Redis: dial(t, "redis://127.0.0.1:"+sentinel+"?master_name=prices")}), t.Context()
	exercise(ctx, t, c)
}

func TestClusterKeepsAValueAndItsLockTogether(t *testing.T) {
	s, port := startRedisTCP(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
	o, err := redis.ParseURL(s.url)
	if err != nil {
		t.Fatal(err)
	}
	admin := redis.NewClient(o)
	defer admin.Close()
	if err := admin.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", "0", "16383").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the cluster is formed", func() bool {
		info, err := admin.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	c, ctx := newCache(t, Options{Prefix: "p:", Redis: dial(t, "redis://127.0.0.1:"+port+"?cluster=true")}), t.Context()
	exercise(ctx, t, c)
	// One node holds every slot here; on many, one round trip needs one slot.
	value, lock := admin.ClusterKeySlot(ctx, c.key("80012345678/302")), admin.ClusterKeySlot(ctx, c.lockKey("80012345678/302"))
	if value.Err() != nil || lock.Err() != nil || value.Val() != lock.Val() {
		t.Errorf("slots: value %v, lock %v", value, lock)
	}
}

// exercise takes every operation once through a topology, whose discovery may
// take the first few.
func exercise(ctx context.Context, t *testing.T, c *Cache[price]) {
	t.Helper()
	eventually(t, 10*time.Second, "values are kept", func() bool {
		c.Put(ctx, "k", price{Total: 7}, time.Hour)
		c.local.InvalidateAll()
		_, ok := c.Get(ctx, "k")
		return ok
	})
	unlock, won := c.Lock(ctx, "l", time.Minute)
	if !won {
		t.Fatal("the lock is not free")
	}
	if _, again := c.Lock(ctx, "l", time.Minute); again {
		t.Error("the lock was won twice")
	}
	c.local.InvalidateAll()
	if v, ok := c.Await(ctx, "k"); !ok || v.Total != 7 {
		t.Errorf("Await: %+v, %v", v, ok)
	}
	unlock()
	if _, again := c.Lock(ctx, "l", time.Minute); !again {
		t.Error("the lock is not free after unlock")
	}
	c.Delete(ctx, "k")
	if _, ok := c.Get(ctx, "k"); ok {
		t.Error("still there after Delete")
	}
}

func TestDialRefusesWhatItCannotRead(t *testing.T) {
	for _, url := range []string{
		"", "localhost:6379", "http://localhost:6379", "redis://localhost:6379/zero", "redis://localhost:6379?unknown=1",
		"redis://user:secret@localhost:port", "unix://", "redis://localhost:6379?master_name=", "redis://localhost:6379?cluster=maybe",
	} {
		r, err := Dial(url, nil)
		if err == nil {
			t.Errorf("%q was accepted", url)
			r.Close()
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
}

func TestDialSpeaksTLSWhenTold(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("this test wants openssl: apt-get install openssl")
	}
	dir := t.TempDir()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
		"-addext", "subjectAltName=IP:127.0.0.1", "-keyout", dir+"/key.pem", "-out", dir+"/cert.pem").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	port := freePort(t)
	s := &server{t: t, url: "rediss://127.0.0.1:" + port + "?skip_verify=true", args: []string{
		"--port", "0", "--bind", "127.0.0.1",
		"--tls-port", port, "--tls-cert-file", dir + "/cert.pem", "--tls-key-file", dir + "/key.pem", "--tls-auth-clients", "no",
	}}
	s.start()
	defer s.kill()
	exercise(t.Context(), t, newCache(t, Options{Redis: dial(t, s.url)}))
	if err := dial(t, "rediss://127.0.0.1:"+port).Ping(t.Context()); err == nil {
		t.Error("a certificate of nobody was believed")
	}
}
