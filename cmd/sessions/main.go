package main

import (
	"fmt"

	"github.com/sqlsessions/sessions"
	_ "modernc.org/sqlite"
)

func main() { fmt.Println(sessions.ErrAbsent) }
