package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/internal/product"
)

// checkServer reports whether the store's statements work on this server.
func checkServer(c *Conn) []Finding {
	var a, b string
	c.get(c.server, &a, &b)
	server := c.product(a, b)
	if c.is == mysql && !server.Foreign() {
		c.Name = server.Name // which the URL does not say: MySQL or MariaDB
	}
	found := supported(server)
	if c.is == sqlite {
		found[0].Text += " (in this program; your application has its own)"
	}
	return found
}

func supported(server product.Server) []Finding {
	problem := server.Problem()
	switch {
	case problem == "":
		return ok(server.String(), server.Version)
	case server.Foreign():
		return warning(problem, "run storetest and your own tests on it before you rely on it; "+
			"`sessions migrate up` refuses it, but `sessions migrate print` shows the SQL", server.Version)
	}
	return failure(problem, "upgrade the server", server.Version)
}

// writable reports whether the server accepts writes: why says why not.
func writable(why string) []Finding {
	if why == "" {
		return ok("the server accepts writes", true)
	}
	return failure("the server is read-only: "+why,
		"connect to the primary: every login and every change writes, and a replica that lags shows a logged-out session as alive", false)
}

// checkClock compares the server's clock with this machine's.
func checkClock(c *Conn) []Finding {
	var skew, trip time.Duration
	for i := range 4 { // the fastest answer is the most accurate; the first also connects
		var micros int64
		before := time.Now()
		c.get(c.clock, &micros)
		if took := time.Since(before); i == 1 || took < trip {
			trip, skew = took, time.UnixMicro(micros).Sub(before.Add(took/2))
		}
	}
	return skewed(skew)
}

// skewed judges by how much the server's clock is ahead.
func skewed(skew time.Duration) []Finding {
	const advice = "synchronize both clocks by NTP; sessions use the database's clock alone, " +
		"so this only affects the times that pages show and the Max-Age of cookies"
	seconds := skew.Round(time.Millisecond).Seconds()
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	text := fmt.Sprintf("the server's clock is %s %s this machine's", age(skew.Abs()), direction)
	switch {
	case skew.Abs() > time.Minute:
		return warning(text, advice, seconds)
	case skew.Abs() > 2*time.Second:
		return note(text, advice, seconds)
	}
	return ok("the clocks of the server and of this machine agree", seconds)
}

// checkIsolation checks the isolation level of statements outside a transaction, as all
// of the store's are.
func checkIsolation(c *Conn) []Finding {
	var name, level string
	c.get(c.isolation, &name, &level)
	return isolated(c.is, level)
}

// usualLevels are the isolation levels that the store is made for, the server's default first.
var usualLevels = map[engines][]string{
	postgres: {"read committed"},
	mysql:    {"repeatable read", "read committed"},
}

func isolated(on engines, level string) []Finding {
	text := strings.ToLower(strings.ReplaceAll(level, "-", " "))
	if slices.Contains(usualLevels[on], text) {
		return ok("isolation level "+text, level)
	}
	return note(fmt.Sprintf("isolation level %s is not the server's default, and parallel requests of one session may fail or wait for it", text),
		"set "+usualLevels[on][0]+" for the application's user", level)
}
