// Compiles OPA's own compliance cases to WebAssembly, as `opa build -t wasm` would, in one process.
//
//	conformance -capabilities capabilities.json -cache DIR [-sample N]
//
// Each line of standard output is one case as JSON; its module, gzipped, is in DIR under a name made of what it was
// compiled from, so only what has changed is compiled again.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/version"
)

const opaModule = "github.com/open-policy-agent/opa"

// What the runner is told of a case.
type compiled struct {
	ID           string            `json:"id"`
	Query        string            `json:"query"`
	Modules      []string          `json:"modules"`
	Wasm         string            `json:"wasm,omitempty"`
	CompileError string            `json:"compile_error,omitempty"`
	Data         string            `json:"data,omitempty"`
	Input        string            `json:"input,omitempty"`
	WantResult   string            `json:"want_result,omitempty"`
	WantCode     *string           `json:"want_error_code,omitempty"`
	WantError    *string           `json:"want_error,omitempty"`
	SortBindings bool              `json:"sort_bindings,omitempty"`
	StrictError  bool              `json:"strict_error,omitempty"`
	Env          map[string]string `json:"env,omitempty"`
}

type testCase struct {
	cases.TestCase
	id      string
	version ast.RegoVersion
}

func main() {
	capabilities := flag.String("capabilities", "capabilities.json", "what the engine provides")
	cache := flag.String("cache", "", "where modules are kept")
	sample := flag.Int("sample", 0, "so many cases, always the same ones; 0 means all")
	flag.Parse()

	file, err := os.Open(*capabilities)
	check(err)
	provided, err := ast.LoadCapabilitiesJSON(file)
	check(err)
	check(os.MkdirAll(*cache, 0o755))

	all := load()
	if *sample > 0 && *sample < len(all) {
		all = pick(all, *sample)
	}
	results := make([]compiled, len(all))
	work := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range work {
				results[i] = compile(all[i], provided, *cache)
			}
		})
	}
	for i := range all {
		work <- i
	}
	close(work)
	workers.Wait()

	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for _, result := range results {
		check(encoder.Encode(result))
	}
	check(out.Flush())
}

// All cases, by name: those in Rego v0 and those in v1.
func load() []testCase {
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", opaModule).Output()
	check(err)
	folder := filepath.Join(strings.TrimSpace(string(where)), "v1/test/cases/testdata")
	var all []testCase
	for name, version := range map[string]ast.RegoVersion{"v0": ast.RegoV0, "v1": ast.RegoV1} {
		for _, tc := range cases.MustLoad(filepath.Join(folder, name)).Cases {
			all = append(all, testCase{TestCase: tc, id: name + "/" + tc.Note, version: version})
		}
	}
	slices.SortStableFunc(all, func(a, b testCase) int { return strings.Compare(a.id, b.id) })
	seen := map[string]int{}
	for i := range all {
		seen[all[i].id]++
		if n := seen[all[i].id]; n > 1 {
			all[i].id += fmt.Sprintf(" (%d)", n)
		}
	}
	return all
}

// The same ones on every machine, from all over: those whose names have the least digests.
func pick(all []testCase, count int) []testCase {
	digest := func(tc testCase) string {
		sum := sha256.Sum256([]byte(tc.id))
		return hex.EncodeToString(sum[:])
	}
	picked := slices.Clone(all)
	slices.SortFunc(picked, func(a, b testCase) int { return strings.Compare(digest(a), digest(b)) })
	return picked[:count]
}

func compile(tc testCase, provided *ast.Capabilities, cache string) compiled {
	result := compiled{
		ID:           tc.id,
		Query:        tc.Query,
		Modules:      tc.Modules,
		WantCode:     tc.WantErrorCode,
		WantError:    tc.WantError,
		SortBindings: tc.SortBindings,
		StrictError:  tc.StrictError,
		Env:          tc.Env,
	}
	if tc.Data != nil {
		result.Data = text(*tc.Data)
	}
	if tc.InputTerm != nil {
		value, err := ast.JSON(ast.MustParseTerm(*tc.InputTerm).Value)
		check(err)
		result.Input = text(value)
	} else if tc.Input != nil {
		result.Input = text(*tc.Input)
	}
	if tc.WantResult != nil {
		result.WantResult = text(withoutGenerated(*tc.WantResult))
	}

	query := asDecision(tc.TestCase)
	key := marshal([]any{version.Version, tc.version, tc.ExperimentalKeywords, query, tc.Modules, provided})
	sum := sha256.Sum256(key)
	result.Wasm = hex.EncodeToString(sum[:12]) + ".wasm.gz"
	file := filepath.Join(cache, result.Wasm)
	if _, err := os.Stat(file); err == nil {
		return result
	}
	wasm, err := build(tc, query, provided)
	if err != nil {
		result.Wasm, result.CompileError = "", err.Error()
		return result
	}
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	_, err = writer.Write(wasm)
	check(err)
	check(writer.Close())
	// Two cases may be made of the same, and two runs may be under way.
	part, err := os.CreateTemp(cache, "*.part")
	check(err)
	_, err = part.Write(packed.Bytes())
	check(err)
	check(part.Close())
	check(os.Rename(part.Name(), file))
	return result
}

// A decision's result is one value, a query's result is a set of bindings: they become that value.
func asDecision(tc cases.TestCase) string {
	names := map[string]bool{}
	if tc.WantResult != nil {
		for _, bindings := range withoutGenerated(*tc.WantResult) {
			for name := range bindings {
				names[name] = true
			}
		}
	}
	var fields []string
	for name := range names {
		fields = append(fields, fmt.Sprintf("%q: %s", name, name))
	}
	slices.Sort(fields)
	return fmt.Sprintf("result = [{%s} | %s\n]", strings.Join(fields, ", "), tc.Query)
}

func withoutGenerated(want []map[string]any) []map[string]any {
	result := make([]map[string]any, len(want))
	for i, bindings := range want {
		result[i] = map[string]any{}
		for name, value := range bindings {
			if !strings.HasPrefix(name, "__localq") {
				result[i][name] = value
			}
		}
	}
	return result
}

func build(tc testCase, query string, provided *ast.Capabilities) (wasm []byte, err error) {
	capabilities := *provided
	if tc.ExperimentalKeywords {
		experimental := ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(true))
		capabilities.FutureKeywords = experimental.FutureKeywords
		capabilities.Features = experimental.Features
	}
	options := []func(*rego.Rego){
		rego.Query(query),
		rego.SetRegoVersion(tc.version),
		rego.Capabilities(&capabilities),
	}
	for i, module := range tc.Modules {
		options = append(options, rego.Module(fmt.Sprintf("module-%d.rego", i), module))
	}
	result, err := rego.New(options...).Compile(context.Background())
	if err != nil {
		return nil, err
	}
	return result.Bytes, nil
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	check(err)
	return text
}

// As text within the line, so that numbers get to the reader with all their digits.
func text(value any) string {
	return string(marshal(value))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
