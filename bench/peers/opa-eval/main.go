// Decisions a second of OPA's own evaluator, in process, with the policy and the data of the bench.
//
//	opa-eval -policy authz.rego -data data.json -input input.json -query data.authz.allow -seconds 3
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"github.com/open-policy-agent/opa/v1/types"
)

func main() {
	policy := flag.String("policy", "", "Rego file")
	data := flag.String("data", "", "JSON file with all data")
	inputs := flag.String("inputs", "", "JSON file with a list of inputs, asked one after the other")
	query := flag.String("query", "data.authz.allow", "query")
	seconds := flag.Float64("seconds", 3, "how long to measure")
	flag.Parse()

	ctx := context.Background()
	module := string(read(*policy))
	var document map[string]interface{}
	decode(read(*data), &document)
	var list []interface{}
	decode(read(*inputs), &list)

	prepared, err := rego.New(
		rego.Query(*query),
		rego.Module("policy.rego", module),
		rego.Store(inmem.NewFromObjectWithOpts(document, inmem.OptRoundTripOnWrite(false))),
		// As OPA's server has it: the keys of tokens are kept ready, verified tokens are not.
		rego.InterQueryBuiltinValueCache(cache.NewInterQueryValueCache(ctx, &cache.Config{})),
		watched(),
		absent("nats.kv.get_data"),
	).PrepareForEval(ctx)
	check(err)

	values := make([]ast.Value, len(list))
	for i, input := range list {
		value, err := ast.InterfaceToValue(input)
		check(err)
		values[i] = value
	}
	ask := func(i int) rego.ResultSet {
		results, err := prepared.Eval(ctx, rego.EvalParsedInput(values[i%len(values)]))
		check(err)
		return results
	}
	for i := 0; i < 2000; i++ {
		ask(i)
	}
	count := 0
	start := time.Now()
	for time.Since(start).Seconds() < *seconds {
		for i := 0; i < 100; i++ {
			ask(count)
			count++
		}
	}
	elapsed := time.Since(start).Seconds()
	out, err := json.Marshal(map[string]interface{}{
		"per_second": float64(count) / elapsed,
		"first":      ask(0)[0].Expressions[0].Value,
	})
	check(err)
	fmt.Println(string(out))
}

// The buckets are all in the data, so this is true, as it is in the bridge once a bucket is loaded.
func watched() func(*rego.Rego) {
	declaration := &rego.Function{
		Name: "nats.kv.watch_bucket",
		Decl: types.NewFunction(types.Args(types.S), types.B),
	}
	return rego.Function1(declaration, func(rego.BuiltinContext, *ast.Term) (*ast.Term, error) {
		return ast.BooleanTerm(true), nil
	})
}

func absent(name string) func(*rego.Rego) {
	declaration := &rego.Function{Name: name, Decl: types.NewFunction(types.Args(types.S, types.S), types.A)}
	return rego.Function2(declaration, func(rego.BuiltinContext, *ast.Term, *ast.Term) (*ast.Term, error) {
		return ast.NullTerm(), nil
	})
}

func read(file string) []byte {
	content, err := os.ReadFile(file)
	check(err)
	return content
}

func decode(content []byte, into interface{}) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	check(decoder.Decode(into))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
