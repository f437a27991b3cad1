//go:build !linux

package servers

import (
	"os"
	"syscall"
)

// tied has nothing to offer here: a killed test process leaves its servers
// running, and they run as the user who started the tests.
func tied(os.Signal, *account) *syscall.SysProcAttr { return nil }

// childrenOf and running are for servers of several processes, which are crashed on Linux alone.
func childrenOf(int) []int { return nil }

func running(int) bool { return false }
