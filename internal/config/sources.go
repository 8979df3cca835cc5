package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const prefix = "ATTUALIZZA_"

// Options teach kong where values come from: the command line, else the
// environment, else the file of --config, else the default of the tag. Other
// flags of the program with an ATTUALIZZA_ variable take part in the same way.
func Options() []kong.Option {
	return []kong.Option{
		kong.WithBeforeResolve(refuseUnknownVariables),
		kong.Resolvers(environment{}),
		kong.Vars{"databaseURL": defaultDatabaseURL, "sendTimeout": defaultSendTimeout.String()},
	}
}

// environment hands kong the variables. kong reads them too, but it lets files
// override them, and an error of its own would repeat a secret's value.
type environment struct{}

// Validate has nothing to say about the application.
func (environment) Validate(*kong.Application) error { return nil }

// Resolve returns the value of the flag's variable, nil when it is not set.
func (environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, variable := range flag.Tag.Envs {
		if text := os.Getenv(variable); text != "" {
			return text, check(flag, text, variable)
		}
		if _, empty := os.LookupEnv(variable); empty && strings.HasPrefix(variable, prefix) {
			return flag.Default, nil // not what kong makes of an empty variable
		}
	}
	return nil, nil
}

// refuseUnknownVariables keeps a misspelt name from passing for a setting. It
// leaves commands alone that have no configuration, such as version.
func refuseUnknownVariables(k *kong.Kong, ctx *kong.Context) error {
	isFile := func(f *kong.Flag) bool { return f.Target.Type() == reflect.TypeFor[File]() }
	if !slices.ContainsFunc(ctx.Flags(), isFile) {
		return nil
	}
	known := variables(k.Model)
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && !slices.Contains(known, name) {
			return fmt.Errorf("%s: no such variable; --help lists them all", name)
		}
	}
	return nil
}

// variables lists the ATTUALIZZA_ variables of all commands of the program.
func variables(app *kong.Application) []string {
	var names []string
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			for _, v := range f.Tag.Envs {
				if strings.HasPrefix(v, prefix) {
					names = append(names, v)
				}
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(app.Node)
	return names
}

// check parses text as the flag would, to say where an unreadable value came
// from. The values of secrets are texts, which parse always.
func check(flag *kong.Flag, text, origin string) error {
	scratch := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(text, kong.FlagValueToken), scratch); err != nil {
		// kong repeats the flag's name, but the mistake is elsewhere.
		return fmt.Errorf("%s: %s", origin, strings.TrimPrefix(err.Error(), "--"+flag.Name+": "))
	}
	return nil
}
