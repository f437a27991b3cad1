//go:build !race

package stores_test

const sqliteBacklog = backlog
