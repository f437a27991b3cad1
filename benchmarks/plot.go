package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The plots have no background and a colour scheme for light and for dark pages.
const plotStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.one { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 5 4; }
.line { fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .grid { stroke: #3d444d; }
  .one { stroke: #9198a1; }
}
</style>
`

// Colours that can be told apart on white and on black, also by most who are colour-blind.
var plotColours = map[string]string{
	"sessions": "#0072d6", "sessions-one-by-one": "#d55e00", "sessions-sql": "#56a5d8",
	"scs": "#cc79a7", "scs-idle": "#009e73", "gorilla": "#8a6fd1", "hand-sql": "#b8860b",
}

const (
	panelWidth, panelHeight = 380, 240
	panelLeft, panelTop     = 48, 44
	panelGap                = 60
	plotWidth               = panelLeft + 2*panelWidth + panelGap + 16
)

// plot is an SVG with the ratios over the callers, reading on the left and counting on the right.
func (s *section) plot() string {
	var names []string
	for _, c := range s.entries {
		if !c.apart && c.name != c.hand {
			names = append(names, c.name)
		}
	}
	height := panelTop + panelHeight + 56 + 20*((len(names)+3)/4)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Throughput on %s as a ratio to statements by hand">`+"\n%s",
		plotWidth, height, s.title, plotStyle)
	fmt.Fprintf(&b, `<text x="%d" y="16" font-weight="600">%s: throughput as a ratio to statements by hand, over the number of callers</text>`+"\n", panelLeft, s.title)
	for i, workload := range []string{"read", "counter"} {
		s.panel(&b, workload, names, float64(panelLeft+i*(panelWidth+panelGap)))
	}
	for i, name := range names {
		x, y := panelLeft+i%4*200, panelTop+panelHeight+52+20*(i/4)
		fmt.Fprintf(&b, `<line class="line" x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			x, x+24, y-4, y-4, plotColours[name], x+30, y, name)
	}
	return b.String() + "</svg>\n"
}

func (s *section) panel(b *strings.Builder, workload string, names []string, left float64) {
	low, high := s.range2(workload, names)
	bottom := float64(panelTop + panelHeight)
	x := func(i int) float64 {
		return left + 20 + float64(i)*(panelWidth-40)/float64(max(len(s.plan.callers)-1, 1))
	}
	y := func(ratio float64) float64 {
		return bottom - (math.Log2(ratio)-low)*panelHeight/(high-low)
	}
	fmt.Fprintf(b, `<text x="%.0f" y="%d" font-weight="600">%s</text>`+"\n", left, panelTop-10, workload)
	for e := low; e <= high; e++ {
		ratio, class := math.Exp2(e), "grid"
		if e == 0 {
			class = "one"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			class, left, left+panelWidth, y(ratio), y(ratio), left-6, y(ratio)+4, ratioText(ratio))
	}
	for i, n := range s.plan.callers {
		fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%d</text>`+"\n", x(i), bottom+18, n)
	}
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" text-anchor="end">callers</text>`+"\n", left+panelWidth, bottom+34)
	for _, name := range names {
		var points []string
		for i, n := range s.plan.callers {
			if r, ok := s.toHand(cell{name, workload, n}); ok {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y(r.median)))
			}
		}
		colour := plotColours[name]
		fmt.Fprintf(b, `<polyline class="line" stroke="%s" points="%s"/>`+"\n", colour, strings.Join(points, " "))
		for _, p := range points {
			px, py, _ := strings.Cut(p, ",")
			fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s"/>`+"\n", px, py, colour)
		}
	}
}

// range2 is the range of the ratios in whole powers of two, one of which is 1.
func (s *section) range2(workload string, names []string) (low, high float64) {
	all := []float64{1. / 8, 8} // the same on every server, if it fits
	for _, name := range names {
		for _, n := range s.plan.callers {
			if r, ok := s.toHand(cell{name, workload, n}); ok && r.median > 0 {
				all = append(all, r.median)
			}
		}
	}
	return math.Floor(math.Log2(slices.Min(all))), math.Ceil(math.Log2(slices.Max(all)))
}

func ratioText(r float64) string {
	if r < 1 {
		return fmt.Sprintf("1/%.0f", 1/r)
	}
	return fmt.Sprintf("%.0f", r)
}
