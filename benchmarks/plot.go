package main

import (
	"fmt"
	"math"
	"strings"
	"text/template"
)

// The plots have no background, and colours for light and for dark pages.
var plotTemplate = template.Must(template.New("").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 884 {{.Height}}" role="img" aria-label="Throughput on {{.Server}} as a ratio to statements by hand">
<style>
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
<text x="48" y="16" font-weight="600">{{.Server}}: throughput as a ratio to statements by hand, over the number of callers</text>
{{range .Panels}}<text x="{{.X}}" y="34" font-weight="600">{{.Name}}</text>
{{range .Grid}}<line class="{{.Class}}" x1="{{.X}}" x2="{{.X2}}" y1="{{.Y}}" y2="{{.Y}}"/><text x="{{.X}}" y="{{.Y}}" dx="-6" dy="4" text-anchor="end">{{.Name}}</text>
{{end}}{{range .Callers}}<text x="{{.X}}" y="302" text-anchor="middle">{{.Name}}</text>
{{end}}<text x="{{.X2}}" y="318" text-anchor="end">callers</text>
{{range .Lines}}<polyline class="line" stroke="{{.Colour}}" points="{{range .Points}}{{.X}},{{.Y}} {{end}}"/>
{{$colour := .Colour}}{{range .Points}}<circle cx="{{.X}}" cy="{{.Y}}" r="3" fill="{{$colour}}"/>
{{end}}{{end}}{{end}}{{range .Legend}}<line class="line" x1="{{.X}}" x2="{{.X2}}" y1="{{.Y}}" y2="{{.Y}}" stroke="{{.Colour}}"/><text x="{{.X2}}" y="{{.Y}}" dx="6" dy="4">{{.Name}}</text>
{{end}}</svg>
`))

// A mark is something at a place.
type mark struct {
	X, X2, Y            int
	Name, Class, Colour string
	Points              []mark
}

type panel struct {
	mark
	Grid, Callers, Lines []mark
}

// Colours that can be told apart on white and on black, also by most who are colour-blind.
var plotColours = map[string]string{
	"sessions": "#0072d6", "sessions-one-by-one": "#d55e00", "sessions-sql": "#56a5d8",
	"scs": "#cc79a7", "scs-idle": "#009e73", "gorilla": "#8a6fd1", "hand-sql": "#b8860b",
}

// plot is an SVG with the ratios over the callers, reading on the left and counting on the right.
func (s *section) plot() string {
	var legend []mark
	var shown []*entry
	for _, e := range s.entries {
		if colour, ok := plotColours[e.name]; ok {
			x := 48 + len(legend)%4*200
			legend = append(legend, mark{X: x, X2: x + 24, Y: 332 + 20*(len(legend)/4), Colour: colour, Name: e.name})
			shown = append(shown, e)
		}
	}
	var panels []panel
	for i, w := range workloads[:2] {
		panels = append(panels, s.panel(w, shown, 48+440*i))
	}
	var b strings.Builder
	if err := plotTemplate.Execute(&b, map[string]any{
		"Server": s.server, "Height": 340 + 20*((len(legend)+3)/4), "Legend": legend, "Panels": panels,
	}); err != nil {
		panic(err) // the template does not fit its data
	}
	return b.String()
}

func (s *section) panel(w workload, shown []*entry, left int) panel {
	low, high := -3., 3. // powers of two, the same on every server if it fits
	for _, e := range shown {
		for _, n := range s.plan.callers {
			if r, ok := s.toHand(e, w, n); ok && r.Median > 0 {
				low, high = min(low, math.Floor(math.Log2(r.Median))), max(high, math.Ceil(math.Log2(r.Median)))
			}
		}
	}
	const right, top, bottom = 380, 44, 284
	y := func(power float64) int { return int(bottom - (power-low)*(bottom-top)/(high-low)) }
	x := func(i int) int { return left + 20 + i*(right-40)/max(len(s.plan.callers)-1, 1) }
	p := panel{mark: mark{X: left, X2: left + right, Name: w.name}}
	for power := low; power <= high; power++ {
		name, class := fmt.Sprintf("%.0f", math.Exp2(power)), "grid"
		if power < 0 {
			name = fmt.Sprintf("1/%.0f", math.Exp2(-power))
		}
		if power == 0 {
			class = "one"
		}
		p.Grid = append(p.Grid, mark{X: left, X2: left + right, Y: y(power), Name: name, Class: class})
	}
	for i, n := range s.plan.callers {
		p.Callers = append(p.Callers, mark{X: x(i), Name: fmt.Sprint(n)})
	}
	for _, e := range shown {
		line := mark{Colour: plotColours[e.name]}
		for i, n := range s.plan.callers {
			if r, ok := s.toHand(e, w, n); ok && r.Median > 0 {
				line.Points = append(line.Points, mark{X: x(i), Y: y(math.Log2(r.Median))})
			}
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}
