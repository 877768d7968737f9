package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// place moves, merges and closes places, and takes them in from a table.
func place(ctx context.Context, c *call) (int, error) {
	set, _ := flags("place", c.stderr)
	to := set.String("to", "", "place under which it will lie, or into which it merges")
	on := set.String("on", "", "local date of effect, as 2027-07-01; without it at once")
	source := set.String("source", "", "the decision on which it rests")
	yes := set.Bool("yes", false, "do it; without it only what it would do is shown")
	as := set.String("as", "", "account that does it; without it the console")
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	by, err := caller(ctx, c.hub, *as)
	if err != nil {
		return failed(err)
	}
	if len(rest) == 2 && rest[0] == "import" {
		return failed(importPlaces(ctx, c, by, rest[1]))
	}
	switch {
	case len(rest) == 1 && rest[0] == "moves":
		return failed(printMoves(ctx, c, *asJSON))
	case len(rest) == 2 && rest[0] == "cancel":
		if err := c.hub.Desk.CancelMove(ctx, by, playlist.ID(rest[1])); err != nil {
			return failed(err)
		}
		fmt.Fprintf(c.out, "%s is cancelled\n", rest[1])
		return 0, nil
	case len(rest) != 2 || !slices.Contains([]string{"move", "merge", "close"}, rest[0]) || (*to == "") != (rest[0] == "close"):
		return 2, errors.New("give: place move ID --to ID, place merge ID --to ID, place close ID, place moves, place cancel MOVE, or place import FILE.csv")
	}
	m := desk.Move{Place: playlist.ID(rest[1]), To: playlist.ID(*to), Merge: rest[0] == "merge", Close: rest[0] == "close", Source: *source}
	if *on != "" {
		if m.On, err = playlist.NewDate(*on); err != nil {
			return failed(err)
		}
	}
	p, err := c.hub.Desk.PreviewMove(ctx, by, m)
	if err != nil {
		return failed(err)
	}
	if *yes {
		if p, err = c.hub.Desk.MovePlace(ctx, by, m, p.Seen); err != nil {
			return failed(err)
		}
	}
	if *asJSON {
		return failed(printJSON(c.out, p))
	}
	printMove(c.out, p, *yes)
	return 0, nil
}

// vietnam is the time of the offices.
var vietnam = time.FixedZone("Asia/Ho_Chi_Minh", 7*3600)

// printMoves lists the moves that wait, and what became of those before.
func printMoves(ctx context.Context, c *call, asJSON bool) error {
	all, err := c.hub.Desk.PlannedMoves(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.out, all)
	}
	for _, m := range all {
		what := "move"
		switch {
		case m.Close:
			what = "close"
		case m.Merge:
			what = "merge"
		}
		fmt.Fprintf(c.out, "%s  %-9s %s %s to %s, from %s, by %s %s %s\n", m.ID, m.State, what, m.Place, m.To, m.Begins.In(vietnam).Format("2006-01-02 15:04"), m.By, m.Source, m.Why)
	}
	return nil
}

func printMove(out io.Writer, p desk.MovePreview, done bool) {
	fmt.Fprintf(out, "%s goes from the scope %s to %s: %d places, %d machines", p.Place, p.From, p.Scope, len(p.Places), len(p.Machines))
	kinds := make([]string, 0, len(p.Rows))
	for k, n := range p.Rows {
		kinds = append(kinds, fmt.Sprintf(", %d %s", n, k))
	}
	slices.Sort(kinds)
	fmt.Fprintln(out, strings.Join(kinds, ""))
	for _, h := range p.Naming {
		fmt.Fprintf(out, "  %s %s of %s: %s\n", h.Kind, h.ID, h.Scope, h.Why)
	}
	for _, h := range p.Leaning {
		fmt.Fprintf(out, "  leans on %s %s of %s: %s\n", h.Kind, h.ID, h.Scope, h.Why)
	}
	for _, h := range p.Changed {
		fmt.Fprintf(out, "  changes %s %s of %s: %s\n", h.Kind, h.ID, h.Scope, h.Why)
	}
	fmt.Fprintf(out, "%d accounts lose rights there, %d gain some\n", len(p.Loses), len(p.Gains))
	if p.Unheld {
		fmt.Fprintf(out, "NOBODY CAN SIGN FOR %s: give its role to keys first with hub trust set\n", p.Scope)
	}
	switch {
	case !done:
		fmt.Fprintln(out, "Nothing was changed. To do it, say the same with --yes.")
	case p.On != (playlist.Date{}):
		fmt.Fprintf(out, "It happens on %s. Then publish both scopes, in any order.\n", p.On)
	default:
		fmt.Fprintln(out, "It is done. Publish both scopes, in any order; until then the machines show what they showed.")
	}
}

// importPlaces takes places from a table: id, parent, kind, name_vi, and name_LANGUAGE for
// others. What is empty is unknown and stays so. A place that is there under another
// parent is refused: that is a move.
func importPlaces(ctx context.Context, c *call, by desk.Caller, path string) error {
	f, err := os.Open(c.path(path))
	if err != nil {
		return err
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	rows, err := placesOf(table)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	root, err := c.hub.Desk.Root(ctx)
	if err != nil {
		return err
	}
	for n, p := range rows {
		old, err := c.hub.Desk.Place(ctx, p.ID)
		if err != nil {
			continue // it is new
		}
		if old.Parent != p.Parent {
			return fmt.Errorf("%s, line %d: %s lies under %s, not under %s: move it with hub place move", path, n+2, p.ID, old.Parent, p.Parent)
		}
		for l, name := range p.Names {
			if old.Names == nil {
				old.Names = playlist.Names{}
			}
			old.Names[l] = name
		}
		rows[n] = old // what the table does not say stays
	}
	meter := &meter{out: c.stderr, what: "places"}
	done, err := c.hub.Desk.Import(ctx, by, playlist.Rows{Format: playlist.Format, Places: rows}, root, meter.report)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d places are new, %d changed, %d were here\n", done.Created, done.Changed, done.Same)
	return nil
}

func placesOf(table [][]string) ([]playlist.Place, error) {
	if len(table) == 0 {
		return nil, errors.New("the table is empty")
	}
	head := table[0]
	head[0] = strings.TrimPrefix(head[0], "\ufeff") // spreadsheets write it
	for _, must := range []string{"id", "parent", "kind", "name_vi"} {
		if !slices.Contains(head, must) {
			return nil, fmt.Errorf("the table has no column %q", must)
		}
	}
	var out []playlist.Place
	for n, row := range table[1:] {
		p := playlist.Place{Names: playlist.Names{}}
		for i, column := range head {
			switch v := strings.TrimSpace(row[i]); {
			case v == "":
			case column == "id":
				p.ID = playlist.ID(v)
			case column == "parent":
				p.Parent = playlist.ID(v)
			case column == "kind":
				p.Kind = playlist.PlaceKind(v)
			case strings.HasPrefix(column, "name_"):
				p.Names[playlist.Language(strings.TrimPrefix(column, "name_"))] = v
			default:
				return nil, fmt.Errorf("the column %q is not known", column)
			}
		}
		if _, err := playlist.NewPlace(p); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		}
		out = append(out, p)
	}
	return out, nil
}
