//go:build !race

package integration_test

const sqliteBacklog = backlog
