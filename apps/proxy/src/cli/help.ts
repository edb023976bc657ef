/** What `--help` prints. */
export const helpText = `Usage
  ./start [options]              start the gateway
  ./start config check [FILE]    explain a configuration without starting
  ./start keys rotate-encryption [options]  seal what is stored with a new TOOLGATE_ENCRYPTION_KEY, gateways running

Options
  -c, --config FILE     configuration, YAML or JSON     (CONFIG_FILE_PATH, else config.yaml)
  -p, --port N          port; 0 lets the system choose  (PORT, else 4000)
      --host HOST       address to listen on            (HOST, else 127.0.0.1)
      --data-dir DIR    generated keys and the embedded database  (TOOLGATE_DATA_DIR, else .toolgate)
      --watch-config    reload when the file changes  (general_settings.config_watch)
  -h, --help            this text
  -v, --version         the version

Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT stop after the calls under way, a second one at once.
Exit codes: 0 stopped or checked, 1 failed, 2 wrong arguments, 130 interrupted.
Every setting is in config.example.yaml and docs/config.md.
`
