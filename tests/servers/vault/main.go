// HashiCorp Vault's own core and HTTP API over memory, for tests: the KV engine and the logins that Keyferry knows.
// It initialises and unseals itself and prints one line of JSON when it is ready: address, root_token, unseal_key.
// Far less to compile than the vault command: no UI, no storage, no cloud.
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/hashicorp/go-hclog"
	authjwt "github.com/hashicorp/vault-plugin-auth-jwt"
	authkube "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// ready is the line that says how to reach the server.
type ready struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"`
}

// plugins are engines and logins by kind and name, as Vault's plugin catalogue expects them.
type plugins map[consts.PluginType]map[string]logical.Factory

func (p plugins) Contains(name string, kind consts.PluginType) bool {
	_, there := p[kind][name]
	return there
}

func (p plugins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	factory, there := p[kind][name]
	return func() (any, error) { return factory, nil }, there
}

func (p plugins) Keys(kind consts.PluginType) []string { return slices.Sorted(maps.Keys(p[kind])) }

func (p plugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (p plugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

var builtin = plugins{
	consts.PluginTypeSecrets: {"kv": kv.Factory},
	consts.PluginTypeCredential: {
		"approle":    approle.Factory,
		"jwt":        authjwt.Factory,
		"kubernetes": authkube.Factory,
		"userpass":   userpass.Factory,
	},
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on")
	certificate := flag.String("certificate", "", "the server's certificate, a PEM file; none: no TLS")
	key := flag.String("key", "", "its key, a PEM file")
	flag.Parse()

	listener, err := net.Listen("tcp", *listen)
	must(err)
	scheme := "http://"
	if *certificate != "" {
		pair, err := tls.LoadX509KeyPair(*certificate, *key)
		must(err)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
		scheme = "https://"
	}
	core, seal := unsealed()
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Address: listener.Addr().String()},
	})
	must(json.NewEncoder(os.Stdout).Encode(ready{
		Address:   scheme + listener.Addr().String(),
		RootToken: seal.RootToken,
		UnsealKey: hex.EncodeToString(seal.SecretShares[0]),
	}))
	must(http.Serve(listener, handler))
}

// unsealed is a new Vault, and what it was initialised with.
func unsealed() (*vault.Core, *vault.InitResult) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    builtin,
		LogicalBackends:    builtin[consts.PluginTypeSecrets],
		CredentialBackends: builtin[consts.PluginTypeCredential],
	})
	must(err)
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	seal, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: one})
	must(err)
	_, err = core.Unseal(seal.SecretShares[0])
	must(err)
	return core, seal
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
