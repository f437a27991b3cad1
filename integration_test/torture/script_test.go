package torture_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A script is what one request does: steps, each a word with an argument or without. The
// handler sends its answer after the last one. What stands after "write" happens when the
// first byte has left, and then no token can be sent any more.
//
//	set:a del:a clear     change values; each commit also moves the head
//	save reload discard touch
//	regen                 a new token
//	login:u               SetUser, "" included
//	destroy
//	revoke:u              one of the sessions of u that have been seen
//	revokeown             Revoke of the own session
//	revokeuser:u revokeothers revokeall
//	list why              SessionsOf the own user, EndedReason
//	remember              SetMaxAge
//	stream:ms             wait for the end of the session's context
//	pause:ms write panic
type script string

// What a script consists of, with weights.
var (
	bodies = []struct {
		weight int
		steps  string
	}{
		{20, ""}, // a load and no more
		{16, "set"},
		{8, "set pause set"},

		{4, "del"},
		{2, "clear set"},
		{3, "set del set"},
		{5, "set save set"},
		{3, "set reload set"},
		{2, "set discard"},
		{2, "set save discard set"},
		{4, "touch"},
		{5, "regen"},
		{2, "set regen"},
		{1, "regen save set"},
		{1, "remember set"},
		{8, "login"},
		{3, "pause login"},
		{2, "set login"},
		{1, "login save set"},
		{1, "logout"},
		{1, "logout login"},
		{3, "destroy"},
		{1, "set destroy"},
		{1, "destroy set"},
		{2, "revoke"},
		{1, "revokeown"},
		{1, "revokeown set"},
		{2, "revokeuser"},
		{1, "pause revokeuser"},
		{2, "revokeothers"},
		{1, "revokeothers login"},
		{1, "revokeuser login"},
		{3, "list"},
		{3, "why"},
		{1, "why login"},
		{3, "stream"},
		{1, "set write stream set"},
		{3, "set write"},
		{3, "write set"},
		{2, "set write pause set save set"},
		{1, "write pause touch"},
		{1, "set panic"},
		{1, "set save set panic"},
		{1, "write set panic"},
	}
	total = func() (n int) {
		for _, b := range bodies {
			n += b.weight
		}
		return n
	}()
)

// newScript makes up what a request does. Revoking everybody is rare. Where sessions expire soon,
// most requests only look, so that touches keep sessions alive and few end before their time: one
// of so many changes something.
func newScript(r *rand.Rand, users []string, changes int) script {
	if r.IntN(changes) != 0 {
		return ""
	}
	n, steps := r.IntN(total), ""
	for _, b := range bodies {
		if n -= b.weight; n < 0 {
			steps = b.steps
			break
		}
	}
	if r.IntN(1500) == 0 {
		steps = "revokeall"
	}
	words := strings.Fields(steps)
	for i, word := range words {
		switch word {
		case "set", "del":
			words[i] = fmt.Sprintf("%s:%c", word, "abc"[r.IntN(3)])
		case "login", "revoke", "revokeuser":
			words[i] = word + ":" + users[r.IntN(len(users))]
		case "logout":
			words[i] = "login:"
		case "stream":
			words[i] = fmt.Sprintf("stream:%d", 50+r.IntN(400))
		case "pause":
			words[i] = fmt.Sprintf("pause:%d", r.IntN(30))
		}
	}
	if r.IntN(5) == 0 {
		words = append([]string{fmt.Sprintf("pause:%d", r.IntN(15))}, words...)
	}
	return script(strings.Join(words, " "))
}

// operations is how many there are in it, with the load.
func (s script) operations() int { return 1 + len(strings.Fields(string(s))) }
