package sessions_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func TestNewKeyRefusesBadNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a":                            true,
		"user id":                      true,
		"日本":                           true,
		`"quoted\`:                     true,
		"a$":                           true,
		strings.Repeat("n", 128):       true,
		"":                             false,
		"$":                            false,
		"$cookie":                      false,
		"a\nb":                         false,
		"a\x00":                        false,
		"\x7f":                         false,
		"\u0085":                       false,
		"\xff":                         false,
		strings.Repeat("n", 129):       false,
		strings.Repeat("ü", 64) + "ab": false,
	} {
		func() {
			defer func() {
				if got := recover(); (got == nil) != ok {
					t.Errorf("%.20q: panic %v, want the name allowed: %v", name, got, ok)
				}
			}()
			sessions.NewKey[int](name)
		}()
	}
}

// Or all zero keys would be one value.
func TestTheZeroKeyIsRefused(t *testing.T) {
	t.Parallel()
	var zero sessions.Key[int]
	v := newVisitor(t, newManager(t, memstore.New()))
	v.visit(func(s *sessions.Session) {
		for name, use := range map[string]func(){
			"Get":    func() { zero.Get(s) },
			"Lookup": func() { _, _ = zero.Lookup(s) },
			"Set":    func() { zero.Set(s, 1) },
			"Update": func() { zero.Update(s, func(n int) int { return n }) },
			"Pop":    func() { zero.Pop(s) },
			"Delete": func() { zero.Delete(s) },
		} {
			func() {
				defer func() {
					if p, _ := recover().(string); !strings.Contains(p, "NewKey") {
						t.Errorf("%s of the zero Key: panic %q, want one that names NewKey", name, p)
					}
				}()
				use()
			}()
		}
		if keys := s.Keys(); len(keys) != 0 {
			t.Errorf("the session has %q", keys)
		}
	})
}

func TestKeysOfEveryNameAreStored(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, memstore.New()))
	names := []string{"a", "user id", "日本", `"quoted\`, "</script>", "\ufffd", "A", "a "}
	v.visit(func(s *sessions.Session) {
		for _, n := range names {
			sessions.NewKey[string](n).Set(s, "value of "+n)
		}
	})
	v.visit(func(s *sessions.Session) {
		for _, n := range names {
			if got, ok := sessions.NewKey[string](n).Get(s); got != "value of "+n || !ok {
				t.Errorf("%q holds %q, %v", n, got, ok)
			}
		}
		if got := s.Keys(); !slices.Equal(got, names) {
			t.Errorf("Keys are %q, want %q", got, names)
		}
	})
}

func TestGetLookupPopDelete(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, memstore.New()))
	check := func(when string, s *sessions.Session, want string, there bool) {
		got, ok := name.Get(s)
		looked, err := name.Lookup(s)
		if got != want || looked != want || ok != there || (err == nil) != there {
			t.Errorf("%s: Get %q, %v; Lookup %q, %v; want %q, %v", when, got, ok, looked, err, want, there)
		}
		if !there && !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("%s: Lookup returns %v", when, err)
		}
	}
	v.visit(func(s *sessions.Session) {
		check("new", s, "", false)
		name.Set(s, "ann")
		check("set", s, "ann", true)
	})
	v.visit(func(s *sessions.Session) {
		check("next request", s, "ann", true)
		if got, ok := name.Pop(s); got != "ann" || !ok {
			t.Errorf("Pop returns %q, %v", got, ok)
		}
		check("popped", s, "", false)
		if got, ok := name.Pop(s); got != "" || ok {
			t.Errorf("the second Pop returns %q, %v", got, ok)
		}
	})
	v.visit(func(s *sessions.Session) {
		check("request after Pop", s, "", false)
		name.Set(s, "")
		check("set to empty", s, "", true)
		name.Delete(s)
		check("deleted", s, "", false)
		name.Delete(s)
	})
}

// A version that was rolled back must not destroy what the newer one stored.
func TestAValueOfAnotherType(t *testing.T) {
	t.Parallel()
	number := sessions.NewKey[int]("name") // the same value as name
	log := new(logBook)
	v := newVisitor(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() }))
	v.visit(func(s *sessions.Session) { name.Set(s, "hunter2") })
	v.visit(func(s *sessions.Session) {
		_, err := number.Lookup(s)
		if !errors.Is(err, sessions.ErrValue) || errors.Is(err, sessions.ErrNotFound) || !strings.Contains(err.Error(), `"name"`) {
			t.Errorf("Lookup returns %v", err)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "string") {
			t.Errorf("the error tells the value: %v", err)
		}
		if log.text() != "" {
			t.Errorf("Lookup logs %s", log.text())
		}
		if got, ok := number.Get(s); got != 0 || ok {
			t.Errorf("Get returns %d, %v", got, ok)
		}
		if got, ok := number.Pop(s); got != 0 || ok {
			t.Errorf("Pop returns %d, %v", got, ok)
		}
		number.Get(s)
		logged := log.text()
		if strings.Count(logged, "\n") != 1 || !strings.Contains(logged, `key \"name\"`) || strings.Contains(logged, "hunter2") {
			t.Errorf("Get logs %s", logged)
		}
	})
	res := v.visit(func(s *sessions.Session) {
		count.Set(s, 7)
		got := number.Update(s, func(int) int { t.Error("the function of Update ran"); return 1 })
		if got != 0 || !errors.Is(s.Err(), sessions.ErrValue) || strings.Contains(s.Err().Error(), "hunter2") {
			t.Errorf("Update returns %d, and Err is %v", got, s.Err())
		}
	})
	wantStatus(t, res, 500)
	if got := value(v, name); got != "hunter2" || value(v, count) != 0 {
		t.Errorf("stored is %q and count %d; want the value of before and nothing new", got, value(v, count))
	}
	v.visit(func(s *sessions.Session) {
		number.Set(s, 4)
		number.Update(s, func(n int) int { return n + 1 })
	})
	if got := value(v, number); got != 5 {
		t.Errorf("stored is %d after Set and Update, want 5", got)
	}
}

// The other type can come with the save of another request, in the middle of this one.
func TestAValueOfAnotherTypeInAMerge(t *testing.T) {
	t.Parallel()
	number := sessions.NewKey[int]("name")
	v := newVisitor(t, newManager(t, memstore.New()))
	v.visit(func(s *sessions.Session) { count.Set(s, 1) })
	res := v.visit(func(s *sessions.Session) {
		number.Update(s, func(n int) int { return n + 1 })
		v.visit(func(s *sessions.Session) { name.Set(s, "newer") })
	})
	wantStatus(t, res, 500)
	if got := value(v, name); got != "newer" {
		t.Errorf("stored is %q", got)
	}
}

func TestNewKeyRefusesTypesThatDoNotComeBack(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), `sessions: key "k": chan int`) {
			t.Errorf("panic with %v", err)
		}
	}()
	sessions.NewKey[chan int]("k")
}

// roundTrip stores v in one request and reads it in the next.
func roundTrip[T any](t *testing.T, what string, v T) {
	t.Helper()
	k := sessions.NewKey[T]("k")
	visitor := newVisitor(t, newManager(t, memstore.New()))
	visitor.visit(func(s *sessions.Session) { k.Set(s, v) })
	visitor.visit(func(s *sessions.Session) {
		if got, err := k.Lookup(s); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %#v came back as %#v, %v", what, v, got, err)
		}
	})
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	type inner struct {
		Any  any            `json:"any"`
		Map  map[string]any `json:"map"`
		List []any          `json:"list"`
	}
	type outer struct {
		ID    int64
		Inner *inner
		More  []map[string]inner
	}
	const odd = 1<<53 + 1
	roundTrip(t, "smallest int64", int64(math.MinInt64))
	roundTrip(t, "largest int64", int64(math.MaxInt64))
	roundTrip(t, "largest uint64", uint64(math.MaxUint64))
	roundTrip(t, "2^53+1", int64(odd))
	roundTrip(t, "float", math.MaxFloat64)
	roundTrip(t, "smallest float", math.SmallestNonzeroFloat64)
	roundTrip(t, "bytes", []byte{0, 255, 128})
	roundTrip(t, "time", time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC))
	roundTrip(t, "nil slice", []string(nil))
	roundTrip(t, "nil pointer", (*int)(nil))
	roundTrip(t, "text", "a\x00\ufffd\u2028<&>😀")
	roundTrip[any](t, "number in any", json.Number("9007199254740993"))
	roundTrip[any](t, "decimal in any", json.Number("1.10"))
	roundTrip(t, "numbers in a map", map[string]any{"a": json.Number("9007199254740993"), "b": []any{json.Number("1e2")}})
	num := json.Number("9223372036854775807")
	in := inner{Any: num, Map: map[string]any{"x": num, "y": map[string]any{"z": num}}, List: []any{num, "s", nil, true}}
	roundTrip(t, "numbers deep in structs", outer{ID: odd, Inner: &in, More: []map[string]inner{{"m": in}}})
	type node struct {
		Value any
		Next  *node
	}
	roundTrip(t, "recursive type", node{json.Number("1"), &node{json.Number("9007199254740993"), nil}})
}

func TestUpdateReturnsWhatItStored(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, memstore.New()))
	add := func(n int) int { return n + 2 }
	v.visit(func(s *sessions.Session) {
		if got := count.Update(s, add); got != 2 {
			t.Errorf("the first Update returns %d, want 2", got)
		}
		if got := count.Update(s, add); got != 4 {
			t.Errorf("the second Update returns %d, want 4", got)
		}
	})
	v.visit(func(s *sessions.Session) {
		if got := count.Update(s, add); got != 6 {
			t.Errorf("in the next request Update returns %d, want 6", got)
		}
	})
	if got := value(v, count); got != 6 {
		t.Errorf("stored %d, want 6", got)
	}
}

func TestUpdateRefusesWhatSetRefuses(t *testing.T) {
	t.Parallel()
	k := sessions.NewKey[float64]("ratio")
	v := loggedIn(t, newManager(t, memstore.New()))
	res := v.visit(func(s *sessions.Session) {
		k.Update(s, func(float64) float64 { return math.NaN() })
		if !errors.Is(s.Err(), sessions.ErrValue) {
			t.Errorf("Err is %v", s.Err())
		}
	})
	wantStatus(t, res, 500)
	if value(v, k) != 0 || value(v, count) != 1 {
		t.Error("something was stored")
	}
}

func TestSetUserRefusesWhatNoDatabaseKeeps(t *testing.T) {
	t.Parallel()
	for user, ok := range map[string]bool{
		"ann": true, "日本": true, strings.Repeat("u", 255): true,
		strings.Repeat("u", 256): false, "a\x00b": false, "\xff": false,
	} {
		v := loggedIn(t, newManager(t, memstore.New()))
		res := v.visit(func(s *sessions.Session) { s.SetUser(user) })
		if (res.StatusCode == 200) != ok {
			t.Errorf("%.10q: status %d, want it accepted: %v", user, res.StatusCode, ok)
		}
		want := ""
		if ok {
			want = user
		}
		if got := look(v, (*sessions.Session).User); got != want {
			t.Errorf("user is %.10q, want %.10q", got, want)
		}
	}
}
