package servers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// stat returns the state of a process and its parent. ok is false if there is none.
func stat(pid int) (state byte, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, found := bytes.Cut(text, []byte(") "))
	if err != nil || !found {
		return 0, 0, false
	}
	_, err = fmt.Sscanf(string(after), "%c %d", &state, &parent)
	return state, parent, err == nil
}

func childrenOf(pid int) (children []int) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		child, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if _, parent, ok := stat(child); ok && parent == pid {
			children = append(children, child)
		}
	}
	return children
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	state, _, ok := stat(pid)
	return ok && state != 'Z' && state != 'X'
}
