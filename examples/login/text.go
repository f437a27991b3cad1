package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
)

// count returns "1 day", "2 days".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// span puts a time into words that need no time zone.
func span(d time.Duration) string {
	switch minutes := math.Round(d.Minutes()); {
	case minutes < 60:
		return count(int(minutes), "minute")
	case minutes < 48*60:
		return count(int(math.Round(minutes/60)), "hour")
	default:
		return count(int(math.Round(minutes/60/24)), "day")
	}
}

func ago(t time.Time) string {
	if d := time.Since(t); d >= time.Minute { // less also if the database's clock is ahead
		return span(d) + " ago"
	}
	return "just now"
}

func in(t time.Time) string {
	if d := time.Until(t); d >= time.Minute {
		return "in " + span(d)
	}
	return "in a moment"
}

// title returns "Alice" for "alice". User names are ASCII here.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// nameOf says on which device a session was signed in.
func nameOf(s *sessions.Session) string {
	name, _ := device.Get(s)
	return cmp.Or(name, "Unknown browser")
}

// deviceName shortens a User-Agent to what its owner recognizes. Most browsers
// claim to be several others too, so the order matters.
func deviceName(userAgent string) string {
	browser := firstIn(userAgent, [][2]string{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"Chrome/", "Chrome"},
		{"CriOS/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	})
	system := firstIn(userAgent, [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"Mac OS", "Mac"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	browser = cmp.Or(browser, "Unknown browser")
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

// firstIn returns the name beside the first mark that text contains.
func firstIn(text string, marks [][2]string) string {
	for _, mark := range marks {
		if strings.Contains(text, mark[0]) {
			return mark[1]
		}
	}
	return ""
}
