package coalesce

import "time"

// A limit is how many callers of a group may each have a statement of their own.
//
// No number is right everywhere. Near a server whose processors are busy, few statements that
// carry many calls are faster; far from an idle one many are. The time that statements take tells
// which, compared with the shortest that one call took of late: where there is room it stays the
// same however many run, and where there is none it grows with them. So fewer callers have their
// own when that took more than [Group.Crowded] times as long, in proportion. One more has when it
// did not; where more go together than that, one of [oneIn] calls goes alone all the same, to be
// measured. All have their own again when a statement for many takes hardly longer than one for
// a single call, because then it is not itself what it waits for.
type limit struct {
	most     int
	own      float64 // callers with a statement of their own
	together float64 // what the statements took that are not for a caller of their own, in shortest times; 0 if not known
	peak     float64 // callers that there were of late
	skipped  int     // calls since one went alone to be measured

	spent  float64 // by the statements of this round, in shortest times
	count  int     // of these statements
	needed bool    // when one of them began, there were as many callers as may have their own

	shortest [2]time.Duration // in this window and the one before; 0 if not known
	since    time.Time        // when the window began
	sum      time.Duration    // of the next mean
	few      int              // statements in it
}

const (
	fewest = 4               // callers always have their own
	round  = 64              // statements are measured for one decision
	mean   = 4               // statements make a shortest time, as a single one may have been lucky
	window = 2 * time.Second // two of them, and what was the shortest time is forgotten
	oneIn  = 512
)

// allows reports whether a call may have a statement of its own, being one of so many.
func (l *limit) allows(callers int) bool {
	l.peak = max(l.peak*(1-1./1024), float64(callers))
	if 4*l.peak > float64(5*l.most) {
		// There are too many whatever the limit is. Those who come while few wait would take a
		// place of a statement that could carry more.
		return callers <= l.most
	}
	return callers <= int(l.own)
}

// due reports whether a call that would go together with others goes alone, to be measured.
func (l *limit) due(callers int) bool {
	if callers > l.most {
		return false
	}
	l.skipped++
	if l.skipped < oneIn {
		return false
	}
	l.skipped = 0
	return true
}

// tookAlone takes note of what the statement of one call took, of so many callers.
func (l *limit) tookAlone(took time.Duration, crowded float64, callers int, now time.Time) {
	l.compare(took, now)
	// Some are slow for reasons of their own, and the machine may have paused.
	times := min(l.times(took), 2*crowded)
	if times == 0 || 2*callers < int(l.own) { // which they are too few to have crowded
		return
	}
	l.spent, l.count, l.needed = l.spent+times, l.count+1, l.needed || callers >= int(l.own)
	if l.count < round {
		return
	}
	if times := l.spent / round; times > crowded {
		l.own = max(l.own*crowded/times, min(fewest, float64(l.most)))
	} else if l.needed {
		l.own = min(l.own+1, float64(l.most))
	}
	l.spent, l.count, l.needed = 0, 0, false
}

// tookTogether takes note of what a statement for many took.
func (l *limit) tookTogether(took time.Duration, now time.Time) {
	l.age(now)
	if times := l.times(took); times == 0 || l.together == 0 {
		l.together = times
	} else {
		l.together += (times - l.together) / 16
	}
	if l.together < 1.5 { // also if too few went alone to tell
		l.own = float64(l.most)
	}
}

// works reports that a statement for many takes more than twice as long as one for a single
// call, so that most of it is work.
func (l *limit) works() bool { return l.together > 2 }

// times returns a time in shortest times, or 0 if these are not known.
func (l *limit) times(took time.Duration) float64 {
	shortest := l.shortest[0]
	if before := l.shortest[1]; shortest == 0 || before > 0 && before < shortest {
		shortest = before
	}
	if shortest == 0 {
		return 0
	}
	return float64(took) / float64(shortest)
}

// age forgets the shortest time of two windows ago.
func (l *limit) age(now time.Time) {
	age := now.Sub(l.since)
	if age <= window {
		return
	}
	l.shortest = [2]time.Duration{0, l.shortest[0]}
	if age > 2*window {
		l.shortest[1] = 0
	}
	l.since, l.sum, l.few = now, 0, 0
}

// compare keeps the shortest time.
func (l *limit) compare(took time.Duration, now time.Time) {
	l.age(now)
	l.sum += took
	if l.few++; l.few < mean {
		return
	}
	if took := l.sum / mean; l.shortest[0] == 0 || took < l.shortest[0] {
		l.shortest[0] = took
	}
	l.sum, l.few = 0, 0
}
