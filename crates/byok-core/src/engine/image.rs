//! The pipeline of images: as many requests as the provider needs for `n`, and those images fetched
//! that it answers with as URLs.

use futures_util::StreamExt;
use futures_util::stream;
use url::Url;

use super::Engine;
use super::exchange::OpenKey;
use super::gathered::{Said, gather};
use super::request::parse_routed;
use super::route::{Attempt, Route};
use crate::capability::Capability;
use crate::capability::image::{ImageInfo, ImageRequest, ImageResult, ImageUsage};
use crate::capability::media::sniff;
use crate::error::{Code, Error, Result};
use crate::http::{AddressPolicy, Call, RequestBody};
use crate::provider::{
    GeneratedImages, ImageProvider, ImageSource, Provider, ScriptedImage, content_type,
};
use crate::usage::Units;

/// How many requests of one call are under way at the same time.
const REQUESTS_AT_ONCE: usize = 4;

struct Answered {
    index: usize,
    images: Vec<(ImageInfo, Vec<u8>)>,
    usage: ImageUsage,
    said: Said,
}

impl Engine {
    /// The images are the attachments, in order.
    ///
    /// # Errors
    /// As [`Engine::chat`].
    pub async fn generate_image(
        &self,
        json: &str,
        attachments: &[Vec<u8>],
    ) -> Result<(ImageResult, Vec<Vec<u8>>)> {
        let (routing, mut request) = parse_routed::<ImageRequest>(json)?;
        request.prepare(attachments)?;
        let mut route = self.route(routing, Capability::ImageGeneration).await?;
        route.expect(Units {
            images: Some(u64::from(request.count())),
            ..Units::default()
        });
        loop {
            let mut attempt = route.next(self).await?;
            if attempt.is_foreign {
                request.provider_options.clear();
            }
            match self.try_images(&attempt, &request).await {
                Ok(answered) => return put_together(&mut route, &mut attempt, answered),
                Err(error) => route.failed(attempt, error)?,
            }
        }
    }

    async fn try_images(&self, attempt: &Attempt, request: &ImageRequest) -> Result<Vec<Answered>> {
        let model = attempt.model()?;
        let most = most_at_once(attempt, &model)?.max(1);
        let counts = split(request.count(), most);
        let mut answers = stream::iter(
            counts
                .into_iter()
                .enumerate()
                .map(|(index, n)| self.image_request(attempt, request, index, n, &model)),
        )
        .buffer_unordered(REQUESTS_AT_ONCE);
        let mut answered = Vec::new();
        while let Some(answer) = answers.next().await {
            answered.push(answer?);
        }
        answered.sort_by_key(|answer| answer.index);
        Ok(answered)
    }

    async fn image_request(
        &self,
        attempt: &Attempt,
        request: &ImageRequest,
        index: usize,
        n: u32,
        model: &str,
    ) -> Result<Answered> {
        let key = &attempt.key;
        let speaker = Speaker::of(attempt, request, n, model)?;
        let wire = match &speaker {
            Speaker::Native(image) => image.request(request, n, model),
            Speaker::Scripted(image) => image.request().await,
        };
        let mut wire = wire.map_err(|error| key.blame(error))?;
        let mut warnings = std::mem::take(&mut wire.warnings);
        let (head, body) = self.fetch(key, wire, None, &attempt.routing).await?;
        let request_id = key.request_id(&head.headers);
        let blame = |error: Error| key.blame(error).with_request_id(request_id.as_deref());
        let generated = match &speaker {
            Speaker::Native(image) => image.response(request, &body),
            Speaker::Scripted(image) => read(key, image, &body).await,
        };
        let GeneratedImages {
            images: sources,
            usage,
            model,
            id,
            warnings: noted,
        } = generated.map_err(&blame)?;
        warnings.extend(noted);
        if sources.is_empty() {
            let error = Error::bad_response("The provider answered without an image.");
            return Err(blame(error));
        }
        let mut images = Vec::with_capacity(sources.len());
        for source in sources {
            images.push(self.image(attempt, source).await.map_err(&blame)?);
        }
        Ok(Answered {
            index,
            images,
            usage,
            said: Said {
                model,
                id,
                ..Said::new(attempt, &head, &body, request_id, warnings)
            },
        })
    }

    async fn image(&self, attempt: &Attempt, source: ImageSource) -> Result<(ImageInfo, Vec<u8>)> {
        let (data, media_type, revised_prompt) = match source {
            ImageSource::Bytes {
                data,
                media_type,
                revised_prompt,
            } => (data, media_type, revised_prompt),
            ImageSource::Url {
                url,
                revised_prompt,
            } => {
                let (data, media_type) = self.download(attempt, &url).await?;
                (data, media_type, revised_prompt)
            }
        };
        let content_type = image_type(&data).map(str::to_owned).or(media_type);
        let content_type = content_type.ok_or_else(|| {
            Error::bad_response(
                "The provider answered with something that is no image. Send the request again.",
            )
        })?;
        let info = ImageInfo {
            content_type,
            revised_prompt,
        };
        Ok((info, data))
    }

    /// Without the key, and only from public addresses unless the provider itself may be private.
    async fn download(&self, attempt: &Attempt, url: &str) -> Result<(Vec<u8>, Option<String>)> {
        let registered = &attempt.key.registered;
        let unusable =
            || Error::bad_response("The provider answered with an image URL that can't be used.");
        let url = Url::parse(url).map_err(|_| unusable())?;
        let may_be_private = registered.allow_private_network;
        if url.scheme() != "https" && !(url.scheme() == "http" && may_be_private) {
            return Err(unusable());
        }
        let failure = |status: http::StatusCode, _: &http::HeaderMap, _: &[u8]| {
            let status = status.as_u16();
            Error::new(
                Code::ProviderError,
                format!("The image was made, but its URL answers with HTTP {status}."),
            )
            .with_retryable(status >= 500)
        };
        let call = Call {
            method: http::Method::GET,
            url,
            headers: http::HeaderMap::new(),
            body: RequestBody::default(),
            timeouts: attempt.key.timeouts(&attempt.routing),
            max_retries: registered.max_retries,
            addresses: if may_be_private {
                AddressPolicy::Any
            } else {
                AddressPolicy::Public
            },
            failure: &failure,
        };
        let (head, body) = self.http.fetch(call).await?;
        let own = content_type(&head.headers);
        let media_type = own.starts_with("image/").then(|| own.to_owned());
        Ok((body.to_vec(), media_type))
    }
}

/// By the first bytes. A page of a proxy has none of an image's.
fn image_type(data: &[u8]) -> Option<&'static str> {
    let is_svg = [&b"<svg"[..], b"<?xml"]
        .iter()
        .any(|start| data.starts_with(start));
    if is_svg {
        return Some("image/svg+xml");
    }
    sniff(data)
}

/// Who turns a request into the provider's own and its answer back.
enum Speaker<'a> {
    Native(&'a dyn ImageProvider),
    Scripted(ScriptedImage<'a>),
}

impl<'a> Speaker<'a> {
    fn of(attempt: &'a Attempt, request: &'a ImageRequest, n: u32, model: &'a str) -> Result<Self> {
        let provider = &attempt.key.registered.provider;
        match (provider.image(), provider.scripted()) {
            (Some(image), _) => Ok(Speaker::Native(image)),
            (None, Some(scripted)) => {
                let image = scripted.image(request, n, model)?;
                Ok(Speaker::Scripted(image))
            }
            (None, None) => Err(attempt.key.cannot(Capability::ImageGeneration)),
        }
    }
}

fn most_at_once(attempt: &Attempt, model: &str) -> Result<u32> {
    let provider = &attempt.key.registered.provider;
    match (provider.image(), provider.scripted()) {
        (Some(image), _) => Ok(image.most_at_once(model)),
        (None, Some(scripted)) if scripted.supports(Capability::ImageGeneration) => {
            Ok(scripted.most_images_at_once())
        }
        _ => Err(attempt.key.cannot(Capability::ImageGeneration)),
    }
}

async fn read(key: &OpenKey, image: &ScriptedImage<'_>, body: &[u8]) -> Result<GeneratedImages> {
    image.response(&key.text_of(body)?).await
}

/// `n` as numbers of at most `most`.
fn split(n: u32, most: u32) -> Vec<u32> {
    let mut counts = vec![most; (n / most) as usize];
    if !n.is_multiple_of(most) {
        counts.push(n % most);
    }
    counts
}

fn put_together(
    route: &mut Route,
    attempt: &mut Attempt,
    answered: Vec<Answered>,
) -> Result<(ImageResult, Vec<Vec<u8>>)> {
    let mut usage = ImageUsage::default();
    let mut images = Vec::new();
    let mut attachments = Vec::new();
    let mut all = Vec::with_capacity(answered.len());
    for answer in answered {
        usage.add(&answer.usage);
        for (info, data) in answer.images {
            images.push(info);
            attachments.push(data);
        }
        all.push(answer.said);
    }
    let meta = gather(route, attempt, all)?;
    attempt.observation.units(Units {
        images: Some(images.len() as u64),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        ..Units::default()
    });
    attempt.observation.succeeded();
    let result = ImageResult {
        images,
        usage,
        meta,
    };
    Ok((result, attachments))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn n_is_split_into_what_one_request_can_ask_for() {
        assert_eq!(split(1, 10), [1]);
        assert_eq!(split(10, 10), [10]);
        assert_eq!(split(7, 3), [3, 3, 1]);
        assert_eq!(split(3, 1), [1, 1, 1]);
    }
}
