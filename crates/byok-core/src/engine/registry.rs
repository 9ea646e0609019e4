//! The providers of one engine: the built-in ones and the app's own, each with its options.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::config::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT,
    EngineConfig, ProviderConfig, add_headers, check_base_url,
};
use super::nearest::nearest;
use crate::capability::Capability;
use crate::error::{Code, Error, Result};
use crate::provider::{Compatible, Definition, Provider, ScriptedProvider, Scripts, builtin};

pub struct Registry {
    by_id: HashMap<String, Arc<Registered>>,
    /// Ids in the order of the built-in list, then the app's own.
    order: Vec<String>,
}

/// A provider with the app's options for it.
pub struct Registered {
    pub provider: Arc<dyn Provider>,
    pub base_url: String,
    /// The app gave the base URL, and so a credential's fields don't.
    pub has_own_base_url: bool,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub idle_timeout: Duration,
    pub max_retries: u32,
    /// Everything that goes with every request, except the credential.
    pub headers: HeaderMap,
    pub allow_private_network: bool,
    pub allow_user_base_url: bool,
    /// The app's own, and not one of the built-in list.
    pub is_custom: bool,
    default_models: Vec<(Capability, String)>,
}

impl Registry {
    /// `scripts` are the functions of the providers that the app defines.
    pub fn new(config: &EngineConfig, scripts: Option<&Arc<dyn Scripts>>) -> Result<Self> {
        let mut registry = Registry {
            by_id: HashMap::new(),
            order: Vec::new(),
        };
        let defaults = ProviderConfig::default();
        for provider in builtin() {
            let id = provider.id().to_owned();
            let options = config.providers.get(&id).unwrap_or(&defaults);
            if options.r#type.is_some() {
                return Err(Error::invalid_argument(format!(
                    "providers.{id}.type: {id} is built in and keeps its type. Give your own provider another name."
                )));
            }
            registry.add(provider, options)?;
        }
        for (id, options) in &config.providers {
            if registry.by_id.contains_key(id) {
                continue;
            }
            registry.add(custom(id, options, scripts, &registry.order)?, options)?;
        }
        for id in &config.prefer {
            registry
                .get(id)
                .map_err(|error| error.map_message(|message| Some(format!("prefer: {message}"))))?;
        }
        Ok(registry)
    }

    /// # Errors
    /// `UNKNOWN_PROVIDER`, with the nearest known name.
    pub fn get(&self, id: &str) -> Result<&Arc<Registered>> {
        self.by_id.get(id).ok_or_else(|| self.unknown(id))
    }

    pub fn find(&self, id: &str) -> Option<&Arc<Registered>> {
        self.by_id.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Registered>> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    fn unknown(&self, id: &str) -> Error {
        let hint = match nearest(id, self.order.iter().map(String::as_str)) {
            Some(name) => format!("Did you mean {name:?}?"),
            None => format!("Known: {}.", self.order.join(", ")),
        };
        Error::new(
            Code::UnknownProvider,
            format!(
                "There is no provider {id:?}. {hint} A provider of your own is added with new BYOK({{ providers: {{ ... }} }})."
            ),
        )
    }

    fn add(&mut self, provider: Arc<dyn Provider>, options: &ProviderConfig) -> Result<()> {
        let id = provider.id().to_owned();
        let base_url = match &options.base_url {
            Some(text) => {
                let option = format!("providers.{id}.baseURL");
                check_base_url(text, options.allow_private_network, &option)?
            }
            None => provider.base_url().to_owned(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        for (name, value) in provider.headers() {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(scripted) = provider.scripted() {
            add_headers(&mut headers, &scripted.definition().headers)?;
        }
        add_headers(&mut headers, &options.headers)?;
        let registered = Registered {
            base_url,
            has_own_base_url: options.base_url.is_some(),
            timeout: duration(options.timeout_ms, DEFAULT_TIMEOUT),
            connect_timeout: duration(options.connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT),
            idle_timeout: duration(options.idle_timeout_ms, DEFAULT_IDLE_TIMEOUT),
            max_retries: options.max_retries.unwrap_or(DEFAULT_MAX_RETRIES),
            headers,
            allow_private_network: options.allow_private_network,
            allow_user_base_url: options.allow_user_base_url,
            is_custom: options.r#type.is_some(),
            default_models: options.default_models.clone().into_iter().collect(),
            provider,
        };
        self.by_id.insert(id.clone(), Arc::new(registered));
        self.order.push(id);
        Ok(())
    }
}

impl Registered {
    pub fn id(&self) -> &str {
        self.provider.id()
    }

    pub fn name(&self) -> &str {
        self.provider.name()
    }

    pub fn capabilities(&self) -> Vec<Capability> {
        let supports = |capability: &Capability| self.provider.supports(*capability);
        Capability::ALL.iter().copied().filter(supports).collect()
    }

    /// The app's default, else the provider's.
    pub fn default_model(&self, capability: Capability) -> Option<&str> {
        self.default_models
            .iter()
            .find(|(known, _)| *known == capability)
            .map(|(_, model)| model.as_str())
            .or_else(|| self.provider.default_model(capability))
    }
}

fn custom(
    id: &str,
    options: &ProviderConfig,
    scripts: Option<&Arc<dyn Scripts>>,
    known: &[String],
) -> Result<Arc<dyn Provider>> {
    let is_valid = id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    if !is_valid {
        return Err(Error::invalid_argument(format!(
            "providers: {id:?} can't be a provider's name. Use 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit."
        )));
    }
    if let Some(definition) = &options.definition {
        return defined(id, options, definition, scripts);
    }
    match (options.r#type.as_deref(), &options.base_url) {
        (Some("openai-compatible"), Some(base_url)) => {
            let option = format!("providers.{id}.baseURL");
            let base_url = check_base_url(base_url, options.allow_private_network, &option)?;
            Ok(Arc::new(Compatible::custom(id.to_owned(), base_url)))
        }
        (Some("openai-compatible"), None) => Err(Error::invalid_argument(format!(
            "providers.{id} needs baseURL, for example \"https://llm.example.com/v1\"."
        ))),
        (Some(other), _) => Err(Error::invalid_argument(format!(
            "providers.{id}.type is {other:?}; the type that can be configured is \"openai-compatible\"."
        ))),
        (None, _) => {
            let hint = match nearest(id, known.iter().map(String::as_str)) {
                Some(name) => format!("Did you mean {name:?}? "),
                None => String::new(),
            };
            Err(Error::invalid_argument(format!(
                "providers.{id} is not a built-in provider. {hint}For one of your own add type: \"openai-compatible\" and baseURL, or give what defineProvider() returns."
            )))
        }
    }
}

fn defined(
    id: &str,
    options: &ProviderConfig,
    definition: &Definition,
    scripts: Option<&Arc<dyn Scripts>>,
) -> Result<Arc<dyn Provider>> {
    let scripts = scripts.ok_or_else(|| {
        Error::invalid_argument(format!(
            "providers.{id} has a definition without functions."
        ))
    })?;
    // With texts that can stand anywhere in a URL in the place of fields.
    let filled = definition.base_url.replace(['{', '}'], "x");
    let option = format!("providers.{id}: baseURL");
    check_base_url(&filled, options.allow_private_network, &option)?;
    let provider = ScriptedProvider::new(id.to_owned(), definition.clone(), scripts.clone())?;
    Ok(Arc::new(provider))
}

fn duration(ms: Option<u64>, default: Duration) -> Duration {
    ms.map_or(default, Duration::from_millis)
}
