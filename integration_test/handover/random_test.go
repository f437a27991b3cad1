package handover_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Steps of each configuration, on each database. Half as many, and now and then one of the
// differences that are meant is not met.
var stepsEach = testbed.Times(240)

// A browser has a cookie, and what the test knows of the session that it names.
type browser struct {
	value  string     // of the cookie, "" for none
	data   values     // as the row has it; nil when there is no live session
	cookie attributes // of the live session
}

// A run hands the sessions of some browsers to and fro between the two applications.
type run struct {
	*testing.T
	*config
	rand         *mathrand.Rand
	nodeApp      *nodeApp
	goApp        *goApp
	live, mirror *table
	secrets      []string         // those that both verify
	signs        map[*side]string // the one that each signs with
	browsers     []*browser
	fresh        map[bool]view // a new session of Node's, by whether it is on HTTPS
	met          *tally
	trail        []string // of the step that runs
}

// A tally counts how often deliberate differences were met.
type tally struct {
	count map[difference]int
	steps int
}

func (a *tally) add(d difference) { a.count[d]++ }

// Browsers send random requests now to Go and now to Node. After each one both see
// the same session, and where Go answered, its row, its expiry and its cookie are what Node
// makes of the same request in the same state. SESSIONS_TEST_SEED repeats a run.
func TestRandomHandOver(t *testing.T) {
	seed := chosenSeed(t)
	met := &tally{count: map[difference]int{}}
	var versions string
	each(t, func(t *testing.T, d *database) {
		for _, c := range configs {
			t.Run(c.name, func(t *testing.T) {
				hash := fnv.New64()
				_, _ = fmt.Fprint(hash, d.engine, c.name)
				r := newRun(t, d, &c, mathrand.New(mathrand.NewPCG(seed, hash.Sum64())))
				r.met = met
				defer func() {
					if t.Failed() {
						t.Logf("seed %d; the step:\n%s", seed, strings.Join(r.trail, "\n"))
					}
				}()
				versions = r.nodeApp.versions(t)
				for i := range stepsEach {
					r.rotate(i)
					r.step(i)
				}
				met.steps += stepsEach
			})
		}
	})
	if t.Failed() {
		return
	}
	var servers []string
	for _, d := range databases {
		servers = append(servers, d.version)
	}
	t.Logf("seed %d: %d steps, 0 differences but those meant, between Go and %s on %s", seed, met.steps, versions, strings.Join(servers, " and "))
	for _, d := range differences {
		t.Logf("meant, met %d times: %s", met.count[d], d)
		if met.count[d] == 0 && met.steps == stepsEach*len(configs)*len(databases) {
			t.Errorf("never met, so nothing shows that it is one: %s", d)
		}
	}
}

func chosenSeed(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("SESSIONS_TEST_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		testbed.Check(t, err)
		return seed
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	return uint64(binary.BigEndian.Uint32(b[:])) // short enough to be typed
}

func newRun(t *testing.T, d *database, c *config, random *mathrand.Rand) *run {
	t.Helper()
	r := &run{T: t, config: c, rand: random, secrets: []string{"keyboard cat"}, fresh: map[bool]view{}}
	r.live, r.mirror = d.newTable(t, "live_"+c.name), d.newTable(t, "mirror_"+c.name)
	r.nodeApp = startNode(t, c.settings(d, r.live, r.mirror))
	r.nodeApp.makeTables(t)
	for _, https := range []bool{false, true} {
		r.fresh[https] = r.nodeApp.must(t, "mirror", request{https: https}).End
	}
	options := c.options
	options.Secrets = r.secrets
	r.goApp = startGo(t, r.live.store(t), options, c.unset)
	r.signs = map[*side]string{&r.nodeApp.side: r.secrets[0], &r.goApp.side: r.secrets[0]}
	for range 4 {
		r.browsers = append(r.browsers, &browser{})
	}
	return r
}

func (c *config) settings(d *database, live, mirror *table) settings {
	options := maps.Clone(c.node)
	options["secret"] = []string{"keyboard cat"}
	s := settings{Kind: string(d.engine), URL: d.url, Tables: map[string]*table{"live": live, "mirror": mirror}, Session: options}
	s.TTL = int(c.options.IdleTimeout.Seconds())
	return s
}

// makeTables makes Node's stores make their tables, as they do at the first request.
func (a *nodeApp) makeTables(t *testing.T) {
	t.Helper()
	for _, table := range []string{"live", "mirror"} {
		a.must(t, table, request{https: true, ops: []op{{Op: "save"}, {Op: "destroy"}}})
	}
}

// rotate replaces the secret in the middle of the run, as an operator would: first
// both programs verify the new one, then they sign with it one after the other, and at
// last the old one is dropped.
func (r *run) rotate(step int) {
	const from, to = "keyboard cat", "tastatür 😀"
	both := []string{to, from}
	switch step {
	case stepsEach / 4:
		r.secrets = []string{from, to}
		r.nodeApp.call(r.T, "/secrets", r.secrets)
		r.goApp.setSecrets(r.T, r.secrets)
	case stepsEach * 3 / 8:
		r.nodeApp.call(r.T, "/secrets", both)
		r.signs[&r.nodeApp.side] = to
	case stepsEach / 2:
		r.goApp.setSecrets(r.T, both)
		r.signs[&r.goApp.side] = to
	case stepsEach * 3 / 4:
		r.secrets = []string{to}
		r.nodeApp.call(r.T, "/secrets", r.secrets)
		r.goApp.setSecrets(r.T, r.secrets)
		for _, b := range r.browsers {
			if sid, _ := readCookie(b.value, r.secrets); sid == "" {
				b.data = nil
			}
		}
	}
}
