/*
 * libembed for C++17 and later: objects that free themselves, and exceptions. Header only, over embed.h,
 * whose comments say what each option and number means.
 *
 *     embed::model model("all-MiniLM-L6-v2");
 *     embed::session session(model);
 *     embed::matrix vectors = session.encode({"a cat on a mat", "ein Hund"});
 *     float cosine = embed::similarity(EMBED_SIMILARITY_COSINE, vectors[0], vectors[1]);
 *
 * Rules
 *   - Whatever fails throws embed::error: what() is the library's sentence, status() its status.
 *   - A model is a handle: its copies are one open model, which lives until the last of them and the
 *     last session on it are gone. Any number of threads may use it. A session serves one at a time.
 *   - Inputs and images refer to the bytes of the caller, who keeps them until the call is over.
 *   - The functions that options point to (progress, failed, parallel, allocator) are called by C: an
 *     exception must not leave them.
 */
#ifndef LIBEMBED_EMBED_HPP
#define LIBEMBED_EMBED_HPP

#include "embed.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#  include <span>
#endif

namespace embed {

/* ---- Errors, views, options ------------------------------------------------------------------ */

class error : public std::runtime_error {
public:
    error(int32_t status, const char *sentence)
        : std::runtime_error(*sentence ? sentence : embed_status_string(status)), status_(status)
    {
    }
    int32_t status() const noexcept { return status_; } /* EMBED_E... */

private:
    int32_t status_;
};

#if __cplusplus >= 202002L
template <class T> using span = std::span<T>;
#else
/* As much of std::span as is needed here: size elements at data, of somebody else. */
template <class T> class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class Container,
              class = std::enable_if_t<std::is_convertible_v<
                  decltype(std::data(std::declval<Container &>())), T *>>>
    constexpr span(Container &container) : data_(std::data(container)), size_(std::size(container))
    {
    }
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T &operator[](std::size_t i) const { return data_[i]; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

/* The options of embed.h, all default until set. */
struct open_options : embed_open_options {
    open_options() : embed_open_options{} { struct_size = sizeof(embed_open_options); }
};
struct session_options : embed_session_options {
    session_options() : embed_session_options{} { struct_size = sizeof(embed_session_options); }
};
struct encode_options : embed_encode_options {
    encode_options() : embed_encode_options{} { struct_size = sizeof(embed_encode_options); }
};

/* ---- Results --------------------------------------------------------------------------------- */

/* rows x columns floats, one row after the other. */
struct matrix {
    std::vector<float> data;
    std::size_t rows = 0, columns = 0;

    span<const float> operator[](std::size_t row) const
    {
        return {data.data() + row * columns, columns};
    }
    std::size_t size() const noexcept { return rows; }
};

/* The vectors of all tokens of each input: those of input i are rows offsets[i] .. offsets[i+1]-1. */
struct token_vectors {
    std::vector<float> data;
    std::vector<int64_t> offsets;
    std::size_t hidden_size = 0;

    std::size_t size() const noexcept { return offsets.size() - 1; } /* inputs */
    std::size_t tokens(std::size_t input) const
    {
        return static_cast<std::size_t>(offsets[input + 1] - offsets[input]);
    }
    span<const float> operator()(std::size_t input, std::size_t token) const
    {
        return {data.data() + (static_cast<std::size_t>(offsets[input]) + token) * hidden_size,
                hidden_size};
    }
};

/* One text (or pair) as tokens, the fields as in embed_tokens; offsets are bytes [first, second). */
struct tokens {
    std::vector<int32_t> ids, type_ids, word_ids, sequence_ids;
    std::vector<std::pair<int64_t, int64_t>> offsets;

    std::size_t size() const noexcept { return ids.size(); }
};

/* ---- Model ------------------------------------------------------------------------------------ */

class model {
public:
    explicit model(const std::string &path, const embed_open_options &options = open_options())
    {
        embed_error why = EMBED_ERROR_INIT;
        embed_model *opened = nullptr;
        int32_t status = embed_model_open(path.c_str(), &options, &opened, &why);
        take(opened, status, why);
    }
    /* A single-file model at data, which stays valid and unchanged for as long as the model. */
    model(const void *data, std::size_t size, const embed_open_options &options = open_options())
    {
        embed_error why = EMBED_ERROR_INIT;
        embed_model *opened = nullptr;
        int32_t status = embed_model_open_memory(data, size, &options, &opened, &why);
        take(opened, status, why);
    }

    int64_t info(int32_t what) const /* EMBED_INFO_* */
    {
        int64_t value = embed_model_info(get(), what);
        if (value == EMBED_EINVAL) throw error(EMBED_EINVAL, "embed_model_info: unknown question");
        return value;
    }
    /* Floats in one vector of session::encode with these options. */
    std::size_t dim(const embed_encode_options &options = encode_options()) const
    {
        int64_t dim = embed_output_dim(get(), &options);
        if (dim < 0) throw error(static_cast<int32_t>(dim), "");
        return static_cast<std::size_t>(dim);
    }
    std::string_view describe() const { return embed_model_describe(get()); }
    std::vector<std::string_view> warnings() const { return list(embed_model_warning); }
    std::vector<std::string_view> prompt_names() const { return list(embed_model_prompt_name); }
    std::vector<std::string_view> products() const { return list(embed_model_product); } /* of int8 */
    /* NULL: there is no such prompt, or token. */
    const char *prompt(const std::string &name) const { return embed_model_prompt(get(), name.c_str()); }
    const char *token_text(int32_t id) const { return embed_token_text(get(), id); }
    /* The token's id, or EMBED_EMISSING. */
    int32_t token_id(const std::string &text) const { return embed_token_id(get(), text.c_str()); }

    const embed_model *get() const noexcept { return model_.get(); }

private:
    void take(embed_model *opened, int32_t status, const embed_error &why)
    {
        if (status < 0) throw error(status, why.message);
        model_.reset(opened, embed_model_free);
    }
    std::vector<std::string_view> list(const char *(*at)(const embed_model *, int64_t)) const
    {
        std::vector<std::string_view> all;
        while (const char *text = at(get(), static_cast<int64_t>(all.size()))) all.emplace_back(text);
        return all;
    }

    std::shared_ptr<embed_model> model_;
};

/* ---- Inputs ----------------------------------------------------------------------------------- */

/* path must live as long as the image, as data must. */
inline embed_image image_file(const char *path)
{
    embed_image image = {};
    image.path = path;
    return image;
}
inline embed_image image_bytes(const void *data, std::size_t size) /* a whole JPEG, PNG... */
{
    embed_image image = {};
    image.data = data;
    image.size = static_cast<int64_t>(size);
    return image;
}
/* Rows of 8-bit pixels; format: EMBED_IMAGE_RGB, RGBA or GREY; stride in bytes, 0: no gap. */
inline embed_image image_pixels(const void *data, int32_t width, int32_t height,
                                int32_t format = EMBED_IMAGE_RGB, int64_t stride = 0)
{
    embed_image image = {};
    image.data = data;
    image.width = width;
    image.height = height;
    image.format = format;
    image.stride = stride;
    return image;
}

/* A batch of texts, pairs of texts, token ids, or images; made of braces or of any container. */
class inputs {
public:
    inputs(std::initializer_list<std::string_view> list) : inputs() { set_texts(list); }
    template <class Container,
              class Item = decltype(*std::begin(std::declval<const Container &>())),
              class = std::enable_if_t<std::is_convertible_v<Item, std::string_view> ||
                                       std::is_convertible_v<Item, const embed_image &>>>
    inputs(const Container &container) : inputs()
    {
        if constexpr (std::is_convertible_v<Item, std::string_view>) set_texts(container);
        else set_images(container);
    }
    /* Text i goes with second i; both containers have one size. */
    template <class Texts, class Seconds>
    static inputs pairs(const Texts &texts, const Seconds &seconds)
    {
        inputs in;
        in.set_texts(texts);
        in.pair_sizes_ = point_at(seconds, in.pairs_);
        if (in.pairs_.size() != in.texts_.size())
            throw error(EMBED_EINVAL, "pairs: as many second texts as first ones are needed");
        in.input_.pairs = in.pairs_.data();
        in.input_.pair_sizes = in.pair_sizes_.data();
        return in;
    }
    /* Token ids as they are, special tokens included: a container of containers of int32_t. */
    template <class Sequences> static inputs token_ids(const Sequences &sequences)
    {
        inputs in;
        in.offsets_.push_back(0);
        for (const auto &ids : sequences) {
            in.ids_.insert(in.ids_.end(), std::begin(ids), std::end(ids));
            in.offsets_.push_back(static_cast<int64_t>(in.ids_.size()));
        }
        in.ids_.reserve(1); /* no ids at all are ids too, not NULL */
        in.input_.count = static_cast<int64_t>(in.offsets_.size()) - 1;
        in.input_.ids = in.ids_.data();
        in.input_.offsets = in.offsets_.data();
        return in;
    }

    inputs(inputs &&) = default; /* the arrays stay where they are */
    inputs &operator=(inputs &&) = default;
    inputs(const inputs &) = delete;
    inputs &operator=(const inputs &) = delete;

    std::size_t size() const noexcept { return static_cast<std::size_t>(input_.count); }
    const embed_input *get() const noexcept { return &input_; }

private:
    inputs() : input_{} { input_.struct_size = sizeof(embed_input); }

    template <class Texts>
    static std::vector<int64_t> point_at(const Texts &texts, std::vector<const char *> &pointers)
    {
        std::vector<int64_t> sizes;
        for (const auto &text : texts) {
            std::string_view view(text);
            pointers.push_back(view.data() ? view.data() : "");
            sizes.push_back(static_cast<int64_t>(view.size()));
        }
        pointers.reserve(1);
        return sizes;
    }
    template <class Texts> void set_texts(const Texts &texts)
    {
        text_sizes_ = point_at(texts, texts_);
        input_.count = static_cast<int64_t>(texts_.size());
        input_.texts = texts_.data();
        input_.text_sizes = text_sizes_.data();
    }
    template <class Images> void set_images(const Images &images)
    {
        images_.assign(std::begin(images), std::end(images));
        images_.reserve(1);
        input_.count = static_cast<int64_t>(images_.size());
        input_.images = images_.data();
    }

    embed_input input_;
    std::vector<const char *> texts_, pairs_;
    std::vector<int64_t> text_sizes_, pair_sizes_, offsets_;
    std::vector<int32_t> ids_;
    std::vector<embed_image> images_;
};

/* ---- Session ---------------------------------------------------------------------------------- */

class session {
public:
    explicit session(const model &of, const embed_session_options &options = session_options())
        : model_(of)
    {
        embed_error why = EMBED_ERROR_INIT;
        embed_session *created = nullptr;
        int32_t status = embed_session_create(of.get(), &options, &created, &why);
        if (status < 0) throw error(status, why.message);
        session_.reset(created);
    }

    /* One vector for each input. */
    matrix encode(const inputs &in, const embed_encode_options &options = encode_options())
    {
        embed_encode_options sized = options;
        if (in.get()->images) sized.flags |= EMBED_FOR_IMAGES;
        matrix out;
        out.rows = in.size();
        out.columns = model_.dim(sized);
        out.data.resize(out.rows * out.columns);
        check(embed_encode(get(), in.get(), &options, out.data.data(),
                           static_cast<int64_t>(out.columns)));
        return out;
    }
    /* The same into memory of the caller: out[in.size()][stride]. */
    void encode(const inputs &in, span<float> out, std::size_t stride,
                const embed_encode_options &options = encode_options())
    {
        if (stride && out.size() / stride < in.size())
            throw error(EMBED_EINVAL, "encode: out is smaller than inputs times stride");
        check(embed_encode(get(), in.get(), &options, out.data(), static_cast<int64_t>(stride)));
    }

    /* The vector of each token; options.layer picks another hidden state than the last. */
    token_vectors last_hidden_state(const inputs &in,
                                    const embed_encode_options &options = encode_options())
    {
        const bool tower = in.get()->images && model_.info(EMBED_INFO_IMAGE_HIDDEN_SIZE) > 0;
        token_vectors out;
        out.hidden_size = static_cast<std::size_t>(
            model_.info(tower ? EMBED_INFO_IMAGE_HIDDEN_SIZE : EMBED_INFO_HIDDEN_SIZE));
        int64_t rows = 0;
        for (int64_t count : count_tokens(in, options)) rows += count;
        out.data.resize(static_cast<std::size_t>(rows) * out.hidden_size);
        out.offsets.resize(in.size() + 1);
        check(embed_last_hidden_state_ragged(get(), in.get(), &options, out.data.data(), rows,
                                             out.offsets.data()));
        return out;
    }
    /* Tokens of each input as encode takes them. */
    std::vector<int64_t> count_tokens(const inputs &in,
                                      const embed_encode_options &options = encode_options())
    {
        std::vector<int64_t> counts(in.size());
        counts.reserve(1);
        check(embed_count_tokens(get(), in.get(), &options, counts.data()));
        return counts;
    }

    /* What the tokenizer makes of a text; nothing is cut unless options.max_length says so. */
    tokens tokenize(std::string_view text, const embed_encode_options &options = encode_options())
    {
        return tokenize(text, std::string_view(), options);
    }
    /* The same of a pair. A second text whose data() is NULL is none. */
    tokens tokenize(std::string_view text, std::string_view second,
                    const embed_encode_options &options = encode_options())
    {
        const char *first = text.data() ? text.data() : "";
        const int64_t size = static_cast<int64_t>(text.size());
        const int64_t second_size = static_cast<int64_t>(second.size());
        embed_tokens arrays = EMBED_TOKENS_INIT;
        arrays.capacity = embed_tokenize(get(), first, size, second.data(), second_size, &options, &arrays);
        check(arrays.capacity);

        tokens out;
        const std::size_t count = static_cast<std::size_t>(arrays.capacity);
        std::vector<int64_t> offsets(2 * count);
        for (auto *field : {&out.ids, &out.type_ids, &out.word_ids, &out.sequence_ids})
            field->resize(count);
        arrays.ids = out.ids.data();
        arrays.type_ids = out.type_ids.data();
        arrays.word_ids = out.word_ids.data();
        arrays.sequence_ids = out.sequence_ids.data();
        arrays.offsets = offsets.data();
        check(embed_tokenize(get(), first, size, second.data(), second_size, &options, &arrays));
        for (std::size_t i = 0; i < count; i++)
            out.offsets.emplace_back(offsets[2 * i], offsets[2 * i + 1]);
        return out;
    }

    embed_session *get() const noexcept { return session_.get(); }

private:
    void check(int64_t status) const
    {
        if (status < 0) throw error(static_cast<int32_t>(status), embed_session_error(get()));
    }

    struct free_session {
        void operator()(embed_session *session) const { embed_session_free(session); }
    };
    model model_; /* outlives the session below */
    std::unique_ptr<embed_session, free_session> session_;
};

/* ---- Vectors ----------------------------------------------------------------------------------- */

/* scores[i][j]: how near row i of a is to row j of b. EMBED_SIMILARITY_* */
inline matrix similarity(int32_t kind, const matrix &a, const matrix &b)
{
    if (a.columns != b.columns)
        throw error(EMBED_EINVAL, "similarity: the vectors have different sizes");
    matrix scores;
    scores.rows = a.rows;
    scores.columns = b.rows;
    scores.data.resize(a.rows * b.rows);
    int32_t status = embed_similarity(
        kind, a.data.data(), static_cast<int64_t>(a.rows), b.data.data(),
        static_cast<int64_t>(b.rows), static_cast<int64_t>(a.columns), scores.data.data());
    if (status < 0) throw error(status, "");
    return scores;
}
inline float similarity(int32_t kind, span<const float> a, span<const float> b)
{
    if (a.size() != b.size())
        throw error(EMBED_EINVAL, "similarity: the vectors have different sizes");
    float score = 0;
    int32_t status =
        embed_similarity(kind, a.data(), 1, b.data(), 1, static_cast<int64_t>(a.size()), &score);
    if (status < 0) throw error(status, "");
    return score;
}

} // namespace embed

#endif
