package express

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDate is the last instant that a Date of JavaScript can hold, in
// milliseconds since 1970.
const maxDate = 8.64e15

// dateOf is new Date(ms): whole milliseconds, and invalid out of range.
func dateOf(ms float64) value {
	if !(math.Abs(ms) <= maxDate) { // NaN too
		ms = math.NaN()
	}
	return value{kind: date, num: math.Trunc(ms)}
}

func dateAt(t time.Time) value { return dateOf(float64(t.UnixMilli())) }

// iso takes the formats of ECMAScript, a space in place of the T, and offsets
// without a colon or without minutes: what databases and other languages write.
var iso = regexp.MustCompile(`^(\d{4}|[+-]\d{6})(?:-(\d\d)(?:-(\d\d))?)?` +
	`(?:([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?$`)

// parseDate is new Date(s). It knows the formats of ISO 8601 and those of
// toUTCString and toString. V8 also guesses at others, which are invalid dates here. A time without
// an offset is one at loc.
func parseDate(s string, loc *time.Location) value {
	if m := iso.FindStringSubmatch(s); m != nil {
		return dateOfISO(m, loc)
	}
	s, _, _ = strings.Cut(s, " (") // toString names the zone in brackets
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Mon Jan 02 2006 15:04:05 GMT-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return dateAt(t)
		}
	}
	return dateOf(math.NaN())
}

func dateOfISO(m []string, loc *time.Location) value {
	year, month, day := m[1], m[2], m[3]
	mark, hour, minute, second, fraction := m[4], m[5], m[6], m[7], m[8]
	z, sign, offsetHours, offsetMinutes := m[9], m[10], m[11], m[12]
	h, ms := digits(hour, 0), digits((fraction + "000")[:3], 0)
	rest := digits(minute, 0) + digits(second, 0) + ms
	if year == "-000000" || !between(1, digits(month, 1), 12) || !between(1, digits(day, 1), 31) ||
		h > 24 || h == 24 && rest > 0 || digits(minute, 0) > 59 || digits(second, 0) > 59 ||
		digits(offsetHours, 0) > 23 || digits(offsetMinutes, 0) > 59 ||
		mark == "" && sign != "" || mark != " " && sign != "" && offsetMinutes == "" {
		return dateOf(math.NaN())
	}
	switch {
	case sign != "":
		east := (digits(offsetHours, 0)*60 + digits(offsetMinutes, 0)) * 60
		if sign == "-" {
			east = -east
		}
		loc = time.FixedZone("", east)
	case z != "" || mark == "": // a day alone is one in UTC
		loc = time.UTC
	}
	return dateAt(time.Date(digits(year, 0), time.Month(digits(month, 1)), digits(day, 1),
		h, digits(minute, 0), digits(second, 0), ms*int(time.Millisecond), loc))
}

// digits is the number in s, or fallback for no digits at all.
func digits(s string, fallback int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return fallback
}

func between(low, n, high int) bool { return low <= n && n <= high }

// isoString is toISOString of a valid date.
func isoString(ms float64) string {
	t := time.UnixMilli(int64(ms)).UTC()
	year := fmt.Sprintf("%04d", t.Year())
	if !between(0, t.Year(), 9999) {
		year = fmt.Sprintf("%+07d", t.Year())
	}
	return year + t.Format("-01-02T15:04:05.000Z")
}

// utcString is toUTCString of a valid date.
func utcString(ms float64) string {
	t := time.UnixMilli(int64(ms)).UTC()
	year := fmt.Sprintf("%04d", t.Year())
	if t.Year() < 0 {
		year = fmt.Sprintf("%05d", t.Year())
	}
	return t.Format("Mon, 02 Jan ") + year + t.Format(" 15:04:05 GMT")
}
