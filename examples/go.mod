// A module of its own, so that an application which imports a store does not
// pay for the examples' dependencies. go.work lets `go run ./examples/login`
// work from the root.
module github.com/sqlsessions/sessions/examples

go 1.25.11

require github.com/sqlsessions/sessions v0.1.0
