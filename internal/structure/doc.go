// Package structure keeps the shape of this module in view. It has nothing but tests.
// They fail when a file of the root package uses names of a file above it,
// when the root package grows past its limits, when a file is too long, and when the
// public API is not the one in api.txt.
//
//	go test ./internal/structure -run TestTheRootStaysSmall -v   # prints which file uses which names of which other
//	go test ./internal/structure -update                         # writes api.txt
package structure
