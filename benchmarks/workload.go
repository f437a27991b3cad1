package main

import "math/rand/v2"

// A workload is what callers do, one request after the other.
type workload struct {
	name  string
	about string
	next  func() (path string)
	large bool // of sessions of 6 KB
	// together is how many requests of one session are under way at once, instead of one.
	together int
	// most is the largest number of callers that it makes sense with, 0 for any.
	most int
}

func always(path string) func() string { return func() string { return path } }

func workloads() []workload {
	return []workload{
		{name: "read", about: "reads two values", next: always(pathRead)},
		{name: "counter", about: "counts one value up", next: always(pathCounter)},
		{name: "login", about: "logs in with a session: a new token, and the old one is dead", next: always(pathLogin)},
		{name: "rolling", about: "reads, and moves the idle timeout with each request", next: always(pathRolling)},
		{name: "mixed", about: "of a hundred requests 90 read, 9 count and 1 logs in", next: mixed},
		{name: "blob", about: "reads two values of a session of 6 KB: this library decodes those, by hand and the others decode all of it", next: always(pathRead), large: true},
		{name: "parallel", about: "each caller sends ten requests of one session at once, and all count", next: always(pathCounter), together: 10, most: 8},
	}
}

func mixed() string {
	switch n := rand.IntN(100); {
	case n < 90:
		return pathRead
	case n < 99:
		return pathCounter
	}
	return pathLogin
}
