package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/internal/product"
)

// What all engines are asked alike, with what one of them answers.

// supported says whether the server is one that the statements of the store work on.
func (x *examination) supported(server product.Server) {
	problem := server.Problem()
	switch {
	case problem == "":
		x.ok(server.String(), server.Version)
	case server.Foreign(): // somebody may have tried it
		x.warn(problem, "run storetest and your own tests on it before you rely on it; `sessions migrate up` refuses it, but `sessions migrate print` shows the SQL", server.Version)
	default:
		x.fail(problem, "upgrade the server", server.Version)
	}
}

const primaryAdvice = "point at the primary: sessions are written with every login and every change, and a replica that lags shows a logged-out session as alive"

func (x *examination) writable(why string) {
	if why != "" {
		x.fail("the server takes no changes: "+why, primaryAdvice, false)
		return
	}
	x.ok("the server takes changes", true)
}

// local holds when nothing on a network can listen. where is a socket's path, or host and port.
func local(where string) bool {
	if strings.HasPrefix(where, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(where)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (x *examination) encrypted(cipher string, nearby bool, advice string) {
	switch {
	case cipher != "":
		x.ok("the connection is encrypted ("+cipher+")", true)
	case nearby:
		x.ok("the connection is not encrypted, and does not leave this machine", false)
	default:
		x.warn("the connection is not encrypted: who listens on the network reads the sessions and the password of the database", advice, false)
	}
}

// clock compares the clocks. query returns microseconds since 1970.
func (x *examination) clock(ctx context.Context, query string) error {
	var skew, trip time.Duration
	for i := range 4 { // the quickest answer says it best; the first also connects
		var micros int64
		before := time.Now()
		if err := x.get(ctx, query, &micros); err != nil {
			return err
		}
		if took := time.Since(before); i == 1 || took < trip {
			trip, skew = took, time.UnixMicro(micros).Sub(before.Add(took/2))
		}
	}
	x.skew(skew)
	return nil
}

// skew is by how much the server's clock is ahead.
func (x *examination) skew(skew time.Duration) {
	const matters = "set both clocks by NTP; sessions use the database's clock alone, so this matters only for what pages display and for the Max-Age of cookies"
	seconds := skew.Round(time.Millisecond).Seconds()
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	text := fmt.Sprintf("the server's clock is %s %s this machine's", age(skew.Abs()), direction)
	switch {
	case skew.Abs() > time.Minute:
		x.warn(text, matters, seconds)
	case skew.Abs() > 2*time.Second:
		x.note(text, matters, seconds)
	default:
		x.ok("the clocks of the server and of this machine agree", seconds)
	}
}

func (x *examination) timeZone(zone, why string) {
	x.ok(fmt.Sprintf("time zone %s, which does not matter: %s", zone, why), zone)
}

// isolation is about statements that stand alone, as all of the store's do.
func (x *examination) isolation(level string, wanted ...string) {
	for _, one := range wanted {
		if strings.EqualFold(strings.ReplaceAll(level, "-", " "), one) {
			x.ok("isolation level "+strings.ToLower(level), level)
			return
		}
	}
	x.note(fmt.Sprintf("isolation level %s: it is not the server's usual one, and parallel requests of one session may fail or wait for it", strings.ToLower(level)),
		"give the application's user "+wanted[0], level)
}
